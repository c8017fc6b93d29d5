// Memfs mounts one file that is answered from memory, with go-fuse and rbdfs's
// mount options: what FUSE itself costs, for the benchmark.
//
//	memfs NAME BYTES DIR
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("memfs: ")
	if len(os.Args) != 4 {
		log.Fatal("usage: memfs NAME BYTES DIR")
	}
	size, err := strconv.ParseInt(os.Args[2], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	memory, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(os.Args[1], os.Args[3], memory); err != nil {
		log.Fatal(err)
	}
}

// serve mounts, and serves until a signal comes.
func serve(name, dir string, memory []byte) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	root := &fusefs.Inode{}
	options := options()
	options.OnAdd = func(ctx context.Context) {
		root.AddChild(name, root.NewPersistentInode(ctx, &file{memory: memory}, fusefs.StableAttr{}), false)
	}
	server, err := fusefs.Mount(dir, root, options)
	if err != nil {
		return err
	}
	go func() {
		<-signals
		if err := server.Unmount(); err != nil {
			log.Print(err)
		}
	}()
	server.Wait()
	return nil
}

// options are those of rbdfs (fs/serve.go) that cost or save time.
func options() *fusefs.Options {
	return &fusefs.Options{
		NullPermissions: true,
		MountOptions: fuse.MountOptions{
			FsName: "memory", Name: "memfs",
			MaxWrite:      1 << 20,
			MaxBackground: 64,
			DirectMount:   os.Geteuid() == 0, DirectMountFlags: syscall.MS_NOSUID | syscall.MS_NODEV,
			Options:              []string{"default_permissions"},
			ExtraCapabilities:    fuse.CAP_ASYNC_DIO | fuse.CAP_DIRECT_IO_ALLOW_MMAP | fuse.CAP_HANDLE_KILLPRIV_V2,
			IgnoreSecurityLabels: true,
		},
	}
}

// file is the file. It has no handles, and its size is fixed.
type file struct {
	fusefs.Inode
	memory []byte
}

var (
	_ fusefs.NodeGetattrer = (*file)(nil)
	_ fusefs.NodeSetattrer = (*file)(nil)
	_ fusefs.NodeOpener    = (*file)(nil)
	_ fusefs.NodeReader    = (*file)(nil)
	_ fusefs.NodeWriter    = (*file)(nil)
	_ fusefs.NodeFlusher   = (*file)(nil)
	_ fusefs.NodeFsyncer   = (*file)(nil)
)

// Getattr answers stat(2).
func (f *file) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o600, uint64(len(f.memory))
	return 0
}

// Setattr answers utimens and the like, and changes nothing.
func (f *file) Setattr(ctx context.Context, h fusefs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return f.Getattr(ctx, h, out)
}

// Open answers open(2), O_DIRECT as rbdfs does.
func (f *file) Open(_ context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_DIRECT != 0 {
		return nil, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES, 0
	}
	return nil, 0, 0
}

// Read answers read(2). The memory is copied once, to the kernel.
func (f *file) Read(_ context.Context, _ fusefs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	size := int64(len(f.memory))
	off = min(off, size)
	return fuse.ReadResultData(f.memory[off:min(off+int64(len(dest)), size)]), 0
}

// Write answers write(2) with EFBIG past the file's end.
func (f *file) Write(_ context.Context, _ fusefs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	if off+int64(len(data)) > int64(len(f.memory)) {
		return 0, syscall.EFBIG
	}
	return uint32(copy(f.memory[off:], data)), 0
}

// Flush answers close(2).
func (f *file) Flush(context.Context, fusefs.FileHandle) syscall.Errno { return 0 }

// Fsync answers fsync(2).
func (f *file) Fsync(context.Context, fusefs.FileHandle, uint32) syscall.Errno { return 0 }
