package fs

import (
	"unicode/utf8"

	"rbdfs/rbdio"
)

// trashTime is how the name of a removed image's file gives the time of the
// removal, in UTC.
const trashTime = "20060102T150405Z"

// trashName is the name by which a removed image is listed:
//
//	vm1@20261125T192031Z-10f6b8b4567
//
// It depends on the image alone, so that it stands as long as the image does; the
// image's id keeps apart what was removed in the same second. A name that would be
// too long for a file is cut short.
func trashName(e rbdio.TrashEntry) string {
	suffix := "@" + e.Removed.UTC().Format(trashTime) + "-" + e.ID
	name, ok := fileName(e.Name + suffix)
	if ok {
		return name
	}
	end := min(nameMax, len(name)) - len(suffix)
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:max(end, 0)] + suffix
}

// named returns the removed images that a name in .trash stands for: the one that
// is listed so, or else all that had this name.
func named(list []rbdio.TrashEntry, name string) (found []rbdio.TrashEntry) {
	image, errno := imageName(name)
	for _, e := range list {
		if trashName(e) == name {
			return []rbdio.TrashEntry{e}
		}
		if errno == 0 && e.Name == image {
			found = append(found, e)
		}
	}
	return found
}
