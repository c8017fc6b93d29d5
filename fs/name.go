package fs

import (
	"strings"
	"syscall"
)

// Image names and file names map one to one. RBD allows any bytes but NUL in an
// image's name; a file name can hold neither a slash nor what stands for something
// else in the mount's root. These are written as in a URL:
//
//	a/b      a%2Fb       each slash
//	.snap    %2Esnap     the first byte of a reserved name
//
// So an image that is really called a%2Fb needs another file name, and then so does
// one that is called by that: each has one 25 more behind the '%'.
//
//	a%2Fb    a%252Fb
//	a%252Fb  a%25252Fb
//	%2Esnap  %252Esnap
//
// All else is itself: Windows%2010.iso, 100%25, a%2fb, %41, control characters and
// invalid UTF-8 too. A listing is for programs, and ls quotes what it shows. So every
// name that a file can have stands for one image, and no image has two.

// nameMax is the longest file name in bytes: NAME_MAX of limits.h. FUSE itself
// lets up to 1024 bytes through.
const nameMax = 255

// Names of the directories in the mount's root that are not images.
const (
	snapDirName  = ".snap"
	trashDirName = ".trash"
	groupDirName = ".group"
)

// Names in the directory of a snapshot that are not the image's.
const (
	diffDirName  = ".diff"
	fullDiffName = ".full" // in diffDirName
)

// The escapes of the two, behind '%' and any number of escapedPercent.
const (
	escapedPercent = "25"
	escapedSlash   = "2F"
	escapedDot     = "2E"
)

// fileName returns the file name of an image, and false for one that cannot be
// shown: its file name would be longer than nameMax.
func fileName(image string) (name string, ok bool) {
	if image == "" || strings.IndexByte(image, 0) >= 0 {
		return "", false // librbd has no such names
	}
	switch {
	case reserved(image):
		return "%" + escapedDot + image[1:], true
	case likeReserved(image):
		name = "%" + escapedPercent + image[1:]
		return name, len(name) <= nameMax
	}
	var b strings.Builder
	for i := range len(image) {
		switch c := image[i]; {
		case c == '/':
			b.WriteString("%" + escapedSlash)
		case likeSlash(image[i:]):
			b.WriteString("%" + escapedPercent)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), b.Len() <= nameMax
}

// imageName returns the name of the image that a file name stands for. ENOENT
// when it can stand for none, ENAMETOOLONG when it is too long for a file.
func imageName(file string) (image string, errno syscall.Errno) {
	switch {
	case len(file) > nameMax:
		return "", syscall.ENAMETOOLONG
	case file == "" || reserved(file) || strings.ContainsAny(file, "/\x00"):
		return "", syscall.ENOENT
	case likeReserved(file):
		if tail, ok := strings.CutPrefix(file, "%"+escapedDot); ok {
			return "." + tail, 0
		}
		return "%" + file[1+len(escapedPercent):], 0
	}
	var b strings.Builder
	for rest := file; rest != ""; {
		switch tail, slash := strings.CutPrefix(rest, "%"+escapedSlash); {
		case slash:
			b.WriteByte('/')
			rest = tail
		case likeSlash(rest):
			b.WriteByte('%')
			rest = rest[1+len(escapedPercent):]
			// What is left of it is written as it is, as it has no '%' of its own.
		default:
			b.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	return b.String(), 0
}

// likeSlash tells whether s starts with a slash's escape, or with one that is escaped
// itself.
func likeSlash(s string) bool {
	rest, ok := unescaped(s)
	return ok && strings.HasPrefix(rest, escapedSlash)
}

// likeReserved tells whether s is a reserved name's escape, or one that is escaped
// itself.
func likeReserved(s string) bool {
	rest, ok := unescaped(s)
	if !ok {
		return false
	}
	tail, ok := strings.CutPrefix(rest, escapedDot)
	return ok && reserved("."+tail)
}

// unescaped returns what is behind a '%' and all of its escapedPercent.
func unescaped(s string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(s, "%")
	for ok && strings.HasPrefix(rest, escapedPercent) {
		rest = rest[len(escapedPercent):]
	}
	return rest, ok
}

// FileName is the file name of an image or a snapshot in a mount; false for one
// that cannot be shown.
func FileName(name string) (file string, ok bool) { return fileName(name) }

// ImageName is the image or the snapshot that a file of a mount stands for; false
// when it can stand for none.
func ImageName(file string) (name string, ok bool) {
	name, errno := imageName(file)
	return name, errno == 0
}

// newImageName returns the name of the image that creating, renaming to,
// cloning to or restoring under a file name makes. EINVAL for a name that
// cannot be had, ENAMETOOLONG for one that is too long for a file.
func newImageName(file string) (image string, errno syscall.Errno) {
	image, errno = imageName(file)
	if errno == syscall.ENOENT || errno == 0 && !creatable(image) {
		return "", syscall.EINVAL
	}
	return image, errno
}

// creatable tells whether the mount makes images of that name. It does not
// where the rbd command would read '@' as the start of a snapshot's name, or '/'
// as the end of a pool's, and so could not address the image. Images that have
// such a name work.
func creatable(image string) bool {
	_, ok := fileName(image)
	return ok && !strings.ContainsAny(image, "@/")
}

// reserved tells whether a name means something else than an image in the
// mount's root, or than an image or a snapshot below .snap.
func reserved(name string) bool {
	switch name {
	case ".", "..", snapDirName, trashDirName, groupDirName, diffDirName, fullDiffName:
		return true
	}
	return false
}
