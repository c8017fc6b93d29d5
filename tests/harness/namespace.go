package harness

// Apart is the start of a shell script in a mount namespace of its own. The
// namespace has a copy of every mount, which would keep the daemons of other tests
// from ending: those but the mounts named in $keep go.
const Apart = `
	for m in $(awk '$3 == "fuse.rbdfs" { print $2 }' /proc/self/mounts); do
		[ "$m" = "$keep" ] || umount --lazy "$m"
	done
`
