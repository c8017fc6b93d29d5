module rbdfs

go 1.25.0

require (
	github.com/alecthomas/kong v1.17.0
	github.com/ceph/go-ceph v0.40.0
	github.com/hanwen/go-fuse/v2 v2.12.1
	golang.org/x/sys v0.45.0
	pgregory.net/rapid v1.3.0
)
