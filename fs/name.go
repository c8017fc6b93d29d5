package fs

import (
	"strings"
	"syscall"
)

// Image names and file names map one to one. RBD allows any bytes but NUL in an
// image's name; a file name can hold neither a slash nor what stands for
// something else in the mount's root. A byte that is in the way is escaped as
// in a URL, and so is a '%' that would be read as the start of such an escape:
//
//	a/b      a%2Fb
//	a%2Fb    a%252Fb
//	100%     100%
//	.snap    %2Esnap
//
// Each image has one file name, and a file name that differs from it in any way
// ("a%2fb", "%41") names nothing, so that no image has two names. All other
// bytes stay, control characters and invalid UTF-8 too: a listing is for
// programs, and ls quotes what it shows.

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

// fileName returns the file name of an image, and false for one that cannot be
// shown: its file name would be longer than nameMax.
func fileName(image string) (name string, ok bool) {
	if image == "" || strings.IndexByte(image, 0) >= 0 {
		return "", false // librbd has no such names
	}
	var b strings.Builder
	for i := range len(image) {
		switch c := image[i]; {
		case c == '/':
			b.WriteString("%2F")
		case c == '%' && startsEscape(image[i:]):
			b.WriteString("%25")
		case c == '.' && i == 0 && reserved(image):
			b.WriteString("%2E")
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), b.Len() <= nameMax
}

// imageName returns the name of the image that a file name stands for. ENOENT
// when it can stand for none, ENAMETOOLONG when it is too long for a file.
func imageName(file string) (image string, errno syscall.Errno) {
	if len(file) > nameMax {
		return "", syscall.ENAMETOOLONG
	}
	var b strings.Builder
	for rest := file; rest != ""; {
		if startsEscape(rest) {
			b.WriteByte(unhex(rest[1])<<4 | unhex(rest[2]))
			rest = rest[3:]
			continue
		}
		b.WriteByte(rest[0])
		rest = rest[1:]
	}
	if canonical, ok := fileName(b.String()); !ok || canonical != file {
		return "", syscall.ENOENT
	}
	return b.String(), 0
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

// startsEscape tells whether s starts with '%' and two hex digits.
func startsEscape(s string) bool {
	return len(s) >= 3 && s[0] == '%' && isHex(s[1]) && isHex(s[2])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' || 'a' <= c && c <= 'f'
}

// unhex returns the value of a hex digit.
func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
