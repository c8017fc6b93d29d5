// Package cluster runs a throwaway Ceph for the tests and for the demo: one
// monitor, one manager and N OSDs in one folder, on loopback, as ordinary
// processes of the calling user. Nothing outside that folder is read or
// written, /etc/ceph included.
//
// # Whose cluster
//
//   - Start makes one and owns it: it can stop, kill, pause and start each
//     daemon, and Close ends everything and removes the folder.
//   - Attach uses one that another process owns (environment variable
//     RBDFS_TEST_CLUSTER, set by "cephdev run"), so that several test packages,
//     each a process of its own, pay for one start. Its daemons stay alone:
//     controlling one answers ErrNotOwner, as it would disturb the other users.
//   - FromConf uses an existing Ceph (RBDFS_TEST_CONF) in the same way. It has
//     no users but those of its own and of CreateUser.
//
// FromEnv and ForTest choose among the three. A test that stops daemons calls
// Own, which always starts a cluster of its own.
//
// # Life of a daemon
//
// No daemon outlives its owner, not even by kill -9: each is started in the
// foreground with PR_SET_PDEATHSIG. The kernel ties that signal to the thread
// that forked, not to its process, and Go ends idle threads as it likes; so
// all of them are started from one thread that lives as long as the cluster
// (see spawner). The command-line tools run the same way, since a client
// whose cluster is gone waits for it for ever.
//
// # Folder
//
//	ceph.conf              for clients and daemons; finds the keyrings below
//	client.*.keyring       admin, rbd, rbdro, rbdns, and those of CreateUser
//	mon.a, mgr.x, osd.N    data of the daemons; osd.N/block is a sparse file
//	log                    one log and one stderr file a daemon
//	run                    admin sockets, for "ceph --admin-daemon"
//	holder.pid, holder.log of a cluster that runs in the background (Hold)
//
// # Units and errors
//
// Sizes are bytes. Errors name the daemon or command they are about and carry
// the last lines of its standard error.
//
// # Concurrency
//
// All methods of Cluster may be called from several goroutines at once, Close
// included; operations on one daemon exclude each other.
package cluster
