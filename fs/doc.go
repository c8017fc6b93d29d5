// Package fs shows a block pool as a file system, over FUSE.
//
// # Structure
//
// A kernel request passes one method here and one call of rbdio:
//
//	rootNode     the mount's root: images by name (root.go, root_clone.go)
//	rootDir      one opendir(3) of it: names and attributes (root_dir.go, dir_handle.go, listing.go)
//	imageNode    an image's file: attributes, open (image.go, image_xattr.go, image_flatten.go)
//	imageHandle  one open(2) of it: data (image_handle.go, image_holes.go, opener.go)
//	snapNode     what all nodes below .snap and .trash refuse (snap_base.go)
//	snapRoot     .snap: images by name (snap_root.go)
//	snapImageDir .snap/IMAGE: snapshots by name, and their verbs (snap_image.go)
//	snapDir      .snap/IMAGE/SNAP (snap_dir.go, snap_names.go)
//	snapFile     .snap/IMAGE/SNAP/IMAGE: attributes, open (snap_file.go)
//	snapHandle   one open(2) of it: data (snap_handle.go)
//	trashRoot    .trash: removed images, restoring and purging them (trash_root.go, trash_name.go)
//	trashFile    .trash/NAME: attributes, open; its handle is an imageHandle (trash_file.go)
//	groupRoot    .group: consistency groups by name (group_root.go)
//	groupDir     .group/GROUP: group snapshots by name, and their verbs (group_dir.go)
//	groupSnapDir .group/GROUP/SNAP: its members by name (group_snap.go)
//	groupFile    .group/GROUP/SNAP/IMAGE: attributes, open; a snapHandle (group_file.go)
//	snapDiffDir  .snap/IMAGE/SNAP/.diff: streams by name (snap_diff.go)
//	snapStream   .snap/IMAGE/SNAP/.diff/OLDER: attributes, open (snap_stream.go)
//	streamHandle one open(2) of it: data (snap_stream_handle.go)
//
// A third frame lies between them: mount.call (interrupt.go), which runs the
// call where it may block without keeping the kernel's interrupts from being
// heard; for reads and writes it is a transfer (transfer.go), which does so with
// memory that is used again. What carries the requests is chosen in serve.go: package
// loop, which lets reads and writes of open images pass by all of this, or go-fuse's
// server. The names of files are mapped in name.go, inode numbers made in identity.go,
// the times of directories in dir_time.go.
//
// # Errors
//
// Errnos of the cluster become errnos of the kernel by one table, errno.go.
// Those that are a matter of policy are chosen in the method, and stand in its
// comment. ENOSYS is never answered: the kernel would stop asking.
//
// # Identity
//
// An image's node is known by the image's id, and its inode number made from it,
// so both survive a rename and a remount; a snapshot's from its own id, too, that of
// a member of another pool from the pool's, and a removed image's file has another than
// the image's. What is remembered of a node, its number and its name for the log, goes
// with the kernel's FORGET (identity.go). A handle holds the rbdio.File that it
// was opened with: after the cluster has cut this client off, old handles fail
// for good, and new ones get another File on a fresh connection.
//
// # Locking
//
// Nodes have no locks of their own. identities.mu and listing.mu guard small maps
// and are taken last, each alone. No lock is held across a call to rbdio, nor
// while the kernel is notified.
//
// # What the kernel caches
//
// Names and attributes for 0.9 s (the constant fresh), so that another host's
// changes show within a second; a missing name is never cached. What a listing says may be
// older (listing.go), is cached for 0.1 s, and waited out by open. Attributes and data
// of a snapshot's file never change, and are kept for long; its name is not. A stream
// has the snapshots' names in it, and its data is dropped at each open. Names in
// .trash are not kept, since a rename out of it makes another file. Data stays in
// the page cache while a file is open, and is dropped at each open and when the
// size or the time of the last write changed: close-to-open. Writes go through at
// once; there is no write-back in the kernel.
package fs
