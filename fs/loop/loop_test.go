package loop

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"rbdfs/fs/loop/fakeimage"
	"rbdfs/rbdio"
)

const (
	testNode = 7
	testSize = 1 << 20
	testPID  = 4711
)

// rig is a loop whose kernel is the test, over a socket pair that keeps messages
// apart as /dev/fuse does.
type rig struct {
	t      *testing.T
	loop   *Loop
	kernel int
	fs     *testFS
	image  *fakeimage.Image
	gate   rbdio.Gate
	log    lockedBuffer
	asking chan struct{} // one for each time that GiveUp is asked
	asked  atomic.Int32  // how often that was
	giveUp atomic.Int32  // how often GiveUp is asked before it says yes; 0 for never
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// testFS reads and writes as the nodes would. Of offset blocked, it waits until it is
// interrupted.
type testFS struct {
	fuse.RawFileSystem
	begun  chan struct{} // one for each that waits
	writes atomic.Int32
}

const blocked = 4096

func (f *testFS) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if in.Offset == blocked {
		f.begun <- struct{}{}
		<-cancel
		return nil, fuse.EINTR
	}
	return fuse.ReadResultData(bytes.Repeat([]byte{'g'}, int(in.Size))), fuse.OK
}

func (f *testFS) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	f.writes.Add(1)
	if !bytes.Equal(data, bytes.Repeat([]byte{'w'}, int(in.Size))) {
		return 0, fuse.EIO
	}
	return uint32(len(data)), fuse.OK
}

func (f *testFS) Writev(cancel <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	return f.Write(cancel, in, bytes.Join(data, nil))
}

// newRig makes a loop that does not serve yet.
func newRig(t *testing.T) *rig {
	r := &rig{t: t, image: fakeimage.New(), asking: make(chan struct{}, 100)}
	r.fs = &testFS{RawFileSystem: fuse.NewDefaultRawFileSystem(), begun: make(chan struct{}, 10)}
	var err error
	r.loop, err = New(Options{
		MaxIO:  128 << 10,
		Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
		GiveUp: func(node uint64, pid uint32, _ time.Duration) bool {
			if node != testNode || pid != testPID {
				t.Errorf("asked of node %d and process %d", node, pid)
			}
			r.asking <- struct{}{}
			return r.asked.Add(1) == r.giveUp.Load()
		},
		TimedOut: func(uint64) fuse.Status { return fuse.EREMOTEIO },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.gate = r.loop.Gate(testNode)
	return r
}

// serve has the loop serve, after the first message of the kernel.
func (r *rig) serve(first []byte) error {
	r.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.kernel = fds[0]
	r.t.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	r.send(first)
	return r.loop.Serve(fds[1], r.fs, &fuse.MountOptions{MaxWrite: 128 << 10, Logger: slog.NewLogLogger(slog.DiscardHandler, 0)})
}

// served is a loop that serves.
func served(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.begin()
	return r
}

// begin has the loop serve, and opens the gate.
func (r *rig) begin() {
	r.t.Helper()
	if err := r.serve(message(opInit, fuse.InitIn{Major: 7, Minor: 36, InHeader: fuse.InHeader{Unique: 2}})); err != nil {
		r.t.Fatal(err)
	}
	r.want(2, 0)
	r.gate.Open(r.image.Direct(), 4096, testSize)
}

// unmount ends the connection, as the kernel does.
func (r *rig) unmount() { unix.Shutdown(r.kernel, unix.SHUT_RDWR) }

// end unmounts, and wants all to end.
func (r *rig) end() {
	r.unmount()
	r.loop.Wait()
	r.gate.Close()
	r.gate.Free()
	r.loop.Free()
	r.image.Free()
}

func (r *rig) send(msg []byte) {
	r.t.Helper()
	if err := unix.Send(r.kernel, msg, 0); err != nil {
		r.t.Fatal(err)
	}
}

// want receives the next reply, and returns what is behind its header.
func (r *rig) want(unique uint64, errno syscall.Errno) []byte {
	r.t.Helper()
	buf := make([]byte, 256<<10)
	n, err := unix.Read(r.kernel, buf)
	if err != nil || n < 16 {
		r.t.Fatalf("received %d bytes, %v", n, err)
	}
	h := (*fuse.OutHeader)(unsafe.Pointer(&buf[0]))
	if h.Unique != unique || h.Status != -int32(errno) || int(h.Length) != n {
		r.t.Fatalf("the reply is %+v, want one of %d with %v", *h, unique, errno)
	}
	return buf[16:n]
}

// wantData is want for a READ.
func (r *rig) wantData(unique uint64, data string) {
	r.t.Helper()
	if got := r.want(unique, 0); string(got) != data {
		r.t.Fatalf("read %q, want %q", got, data)
	}
}

func read(unique, off uint64, size uint32) []byte {
	h := fuse.InHeader{Unique: unique, NodeId: testNode, Caller: fuse.Caller{Pid: testPID}}
	return message(opRead, fuse.ReadIn{InHeader: h, Offset: off, Size: size})
}

func write(unique, off uint64, size int) []byte {
	const opWrite = 16
	h := fuse.InHeader{Unique: unique, NodeId: testNode, Caller: fuse.Caller{Pid: testPID}}
	return message(opWrite, fuse.WriteIn{InHeader: h, Offset: off, Size: uint32(size)}, bytes.Repeat([]byte{'w'}, size)...)
}

// interruptOf is numbered as the kernel does.
func interruptOf(unique uint64) []byte {
	return message(opInterrupt, interruptIn{InHeader: fuse.InHeader{Unique: unique | 1}, Unique: unique})
}

func TestServeAgreesWithTheKernel(t *testing.T) {
	init := fuse.InitIn{InHeader: fuse.InHeader{Unique: 2}, Major: 7, Minor: 45, Flags: fuse.CAP_ASYNC_READ, Flags2: 1}
	for name, tc := range map[string]struct {
		first []byte
		flags uint64
	}{
		"now":               {message(opInit, init), fuse.CAP_ASYNC_READ | 1<<32},
		"before Linux 5.17": {message(opInit, init)[:headerSize+16], fuse.CAP_ASYNC_READ},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if err := r.serve(tc.first); err != nil {
				t.Fatal(err)
			}
			out := r.want(2, 0)
			if major := *(*uint32)(unsafe.Pointer(&out[0])); major != 7 {
				t.Errorf("the protocol's version is %d", major)
			}
			if got := r.loop.KernelFlags(); got != tc.flags {
				t.Errorf("the kernel's flags are %#x, want %#x", got, tc.flags)
			}
			r.end()
		})
	}
}

func TestServeRefusesAnotherFirstMessage(t *testing.T) {
	for name, first := range map[string][]byte{
		"short":   make([]byte, headerSize-1),
		"a read":  read(2, 0, 10),
		"cut":     message(opInit, fuse.InitIn{Major: 7})[:headerSize+10],
		"one bit": {1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if err := r.serve(first); err == nil || !strings.Contains(err.Error(), "FUSE_INIT") {
				t.Errorf("the error is %v", err)
			}
			r.end()
		})
	}
}

func TestMessagesThatAreNotWhole(t *testing.T) {
	r := served(t)
	for _, n := range []int{1, headerSize - 1} {
		r.send(read(4, 0, 10)[:n])
	}
	r.send(interruptOf(4)[:headerSize])
	r.send(read(6, 0, 10)[:headerSize+10])
	r.want(6, syscall.EIO)
	r.send(message(1234, fuse.InHeader{Unique: 8}))
	r.want(8, syscall.ENOSYS)
	r.send(message(17, fuse.InHeader{Unique: 10})) // FUSE_STATFS
	r.want(10, syscall.ENOSYS)
	r.end()
	for _, want := range []string{"request that is too short\" bytes=1\n", "request that is too short\" bytes=39\n", "interrupt that is too short"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, &r.log)
		}
	}
}

func TestReadAndWriteInC(t *testing.T) {
	r := served(t)
	r.send(read(4, 0, 3))
	r.image.Await()
	r.image.End(0)
	r.wantData(4, "xxx")
	r.send(write(6, 10000, 3))
	r.image.Await()
	r.image.End(0)
	if out := r.want(6, 0); *(*uint32)(unsafe.Pointer(&out[0])) != 3 {
		t.Errorf("the reply is %v", out)
	}
	r.gate.Close()
	if p := r.gate.Passed(); p.Writes != 2 || p.Writing != 0 || time.Since(p.At) > time.Hour {
		t.Errorf("passed are %+v", p)
	}
	var written []rbdio.Extent
	r.gate.TakeWritten(func(off, length uint64) { written = append(written, rbdio.Extent{Off: off, Len: length}) })
	if len(written) != 1 || written[0] != (rbdio.Extent{Off: 8192, Len: 4096}) {
		t.Errorf("written are %v", written)
	}
	if got := r.loop.Totals(); got.Reads != 1 || got.ReadBytes != 3 || got.Writes != 1 || got.WrittenBytes != 3 || got.Redone != 0 {
		t.Errorf("totals are %+v", got)
	}
	r.end()
}

// What fails in C is done again in Go, and what is not for C goes there at once.
func TestRedoInGo(t *testing.T) {
	r := served(t)
	r.send(read(4, 0, 3))
	r.image.Await()
	r.image.End(syscall.EIO)
	r.wantData(4, "ggg")
	r.send(write(6, 0, 100<<10))
	r.image.Await()
	r.image.End(syscall.ENOSPC)
	r.want(6, 0)
	r.send(read(8, testSize-1, 2)) // past the gate
	r.wantData(8, "gg")
	r.gate.Close()
	r.send(write(10, 0, 5))
	r.want(10, 0)
	if got := r.fs.writes.Load(); got != 2 {
		t.Errorf("%d writes in Go", got)
	}
	if got := r.loop.Totals(); got.Redone != 2 || got.Reads+got.Writes != 0 {
		t.Errorf("totals are %+v", got)
	}
	r.end()
}

func TestTimedOutIsNotDoneAgain(t *testing.T) {
	r := served(t)
	r.send(write(4, 0, 3))
	r.image.Await()
	r.image.End(syscall.ETIMEDOUT)
	r.want(4, syscall.EREMOTEIO)
	if got := r.fs.writes.Load(); got != 0 {
		t.Errorf("%d writes in Go", got)
	}
	r.end()
}

// An interrupt ends a request in C when the policy says so, once.
func TestInterruptInC(t *testing.T) {
	for name, after := range map[string]int32{"at once": 1, "a second later": 2} {
		t.Run(name, func(t *testing.T) {
			r := served(t)
			r.giveUp.Store(after)
			r.send(write(4, 0, 3))
			r.image.Await()
			r.send(interruptOf(4))
			r.want(4, syscall.EINTR)
			r.image.End(0)
			r.send(read(6, testSize, 1))
			r.wantData(6, "g") // the next that there is
			if got := r.asked.Load(); got != after {
				t.Errorf("asked %d times, want %d", got, after)
			}
			r.end()
		})
	}
}

// An interrupt follows a request that goes on in Go.
func TestInterruptMovesOnToGo(t *testing.T) {
	r := served(t)
	r.send(read(4, blocked, 1))
	r.image.Await()
	r.send(interruptOf(4))
	<-r.asking
	r.image.End(syscall.EIO)
	<-r.fs.begun
	r.want(4, syscall.EINTR)
	r.end()
}

// An interrupt of what is nowhere is sent back, as the request may be on its way.
func TestInterruptOfNothing(t *testing.T) {
	r := served(t)
	r.send(interruptOf(100))
	r.want(101, syscall.EAGAIN)
	r.send(read(4, 0, 1))
	r.image.Await()
	r.send(interruptOf(4))
	<-r.asking
	r.image.End(0) // and while the interrupt is looked at
	r.wantData(4, "x")
	r.want(5, syscall.EAGAIN)
	r.end()
}

func TestInterruptInGo(t *testing.T) {
	r := served(t)
	r.gate.Shut()
	r.send(read(4, blocked, 1))
	<-r.fs.begun
	r.send(interruptOf(4))
	r.want(4, syscall.EINTR)
	r.end()
}

// After unmounting nothing waits for the cluster.
func TestUnmountEndsWhatWaits(t *testing.T) {
	r := served(t)
	r.send(read(4, blocked, 1)) // held in C until nobody waits any more
	r.image.Await()
	r.send(read(6, blocked, 1)) // refused in C, waits in Go
	<-r.fs.begun
	r.unmount()
	r.loop.Wait()
	r.image.End(syscall.EIO)
	r.end()
}

// A reader that cannot read goes on when it can, and says so once; both would have
// ended, and the mount with them.
func TestReadersOutliveAnError(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOMEM, syscall.EIO, syscall.EFAULT, syscall.EAGAIN} {
		t.Run(errno.Error(), func(t *testing.T) {
			r := newRig(t)
			var failed atomic.Int32
			r.loop.receive = func() ([]byte, syscall.Errno) {
				if failed.Add(1) <= 3*readers {
					return nil, errno
				}
				return r.loop.next()
			}
			r.begin()
			r.send(message(17, fuse.InHeader{Unique: 4})) // FUSE_STATFS
			r.want(4, syscall.ENOSYS)
			r.end()
			if n := strings.Count(r.log.String(), "cannot be read now"); n < 1 || n > readers {
				t.Errorf("said %d times:\n%s", n, &r.log)
			}
		})
	}
}

func TestReadersEnd(t *testing.T) {
	for errno, logged := range map[syscall.Errno]bool{
		syscall.ENODEV: false, syscall.ECONNABORTED: false, syscall.EBADF: true, syscall.EPERM: true, syscall.EINVAL: true,
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			r := newRig(t)
			r.loop.receive = func() ([]byte, syscall.Errno) { return nil, errno }
			r.begin()
			r.loop.Wait()
			r.end()
			if got := strings.Contains(r.log.String(), "cannot be read any more"); got != logged {
				t.Errorf("logged: %v, want %v:\n%s", got, logged, &r.log)
			}
		})
	}
}

func TestOneGateForANode(t *testing.T) {
	r := newRig(t)
	if g := r.loop.Gate(testNode); g != nil {
		t.Error("a node has two gates")
	}
	other := r.loop.Gate(testNode + 256)
	other.Free()
	r.gate.Free()
	r.gate = r.loop.Gate(testNode)
	if r.gate == nil {
		t.Fatal("a node has no gate any more")
	}
	r.gate.Free()
	r.loop.Free()
	r.image.Free()
}
