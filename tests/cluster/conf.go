package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// confTemplate is ceph.conf. It keeps Ceph's behaviour, cephx included, and
// changes what makes one machine's cluster slow, large or full of warnings:
//
//   - paxos_propose_interval: every change of a map (pool, snapshot, OSD up)
//     waits this long, 1 s by default, or paxos_min_wait after a pause; a snapshot
//     takes 55 ms with 50 ms of both, and 35 ms like this;
//   - heartbeats and beacons: a killed OSD is down after 10 s at most, or 20 s for the
//     last one; shorter ones take a busy machine's OSD for dead;
//   - fixed bluestore caches, since the autotuned ones start from 4 GiB;
//   - debug levels: the defaults gather logs in memory for a crash dump.
var confTemplate = template.Must(template.New("ceph.conf").Parse(`[global]
fsid = {{.FSID}}
mon_host = v2:127.0.0.1:{{.MonPort}}
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
ms_bind_msgr1 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {{.Dir}}/$name.keyring
run_dir = {{.Dir}}/run
crash_dir = {{.Dir}}/run
log_file = {{.Dir}}/log/$name.log
admin_socket = {{.AdminSocket}}
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
paxos_propose_interval = 0.01
paxos_min_wait = 0.005
debug_ms = 0/0
debug_rocksdb = 0/0
debug_bdev = 0/0
debug_bluefs = 0/0
debug_bluestore = 0/0
debug_osd = 1/1
debug_monc = 0/0
debug_paxos = 0/0

[mon]
mon_data = {{.Dir}}/mon.$id
keyring = {{.Dir}}/mon.$id/keyring
mon_cluster_log_file = {{.Dir}}/log/cluster.log
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_max_pg_per_osd = 4000
mon_warn_on_pool_no_redundancy = false
mon_warn_on_insecure_global_id_reclaim = false
mon_warn_on_insecure_global_id_reclaim_allowed = false
mon_warn_on_pool_no_app = false
mon_data_avail_warn = 1
mon_data_avail_crit = 0
mon_osd_min_down_reporters = 1
mon_osd_report_timeout = 20
mon_osd_down_out_interval = 86400
mgr_initial_modules =

[mgr]
mgr_data = {{.Dir}}/mgr.$id
keyring = {{.Dir}}/mgr.$id/keyring
mgr_tick_period = 1
mgr_stats_period = 1

[osd]
osd_data = {{.Dir}}/osd.$id
keyring = {{.Dir}}/osd.$id/keyring
osd_objectstore = bluestore
bluestore_block_size = {{.OSDSize}}
bluestore_fsck_on_mkfs = false
bluestore_fsck_on_umount = false
bluestore_cache_autotune = false
bluestore_cache_size = 134217728
osd_memory_target = 939524096
osd_heartbeat_interval = 2
osd_heartbeat_grace = 10
osd_beacon_report_interval = 5
osd_fast_shutdown_notify_mon = true
osd_max_pg_per_osd_hard_ratio = 10
osd_delete_sleep = 0
osd_snap_trim_sleep = 0
osd_recovery_sleep = 0
mgr_stats_period = 1

[client]
admin_socket =
log_file =
{{.Config}}
`))

// confValues fills confTemplate.
type confValues struct {
	Dir, FSID, AdminSocket, Config string
	MonPort                        int
	OSDSize                        int64
}

// writeConf writes ceph.conf. The file must not be there yet.
func writeConf(v confValues) error {
	// sun_path of unix(7) has 108 bytes; where the folder's name leaves no room
	// for a socket, the daemons run without one.
	const longest = "/run/osd.000.asok"
	if len(v.Dir)+len(longest) < 108 {
		v.AdminSocket = v.Dir + "/run/$name.asok"
	}
	v.Config = strings.TrimSpace(v.Config)
	f, err := os.OpenFile(confPath(v.Dir), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := confTemplate.Execute(f, v); err != nil {
		return err
	}
	return f.Close()
}

// confPath is the cluster's ceph.conf.
func confPath(dir string) string { return filepath.Join(dir, "ceph.conf") }
