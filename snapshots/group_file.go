package snapshots

import "rbdfs/rbdio"

// OpenMember returns an open member of a group snapshot; ENOENT, EACCES. Each is
// ended by one Release.
func (t *Tree) OpenMember(m rbdio.Member) (*File, error) {
	return t.share(key{m.ImageKey(), m.SnapID}, func() (rbdio.SnapshotImage, error) { return t.members.OpenMember(m) })
}

// StatMember returns what the file of a member shows of itself; ENOENT, EACCES.
func (t *Tree) StatMember(m rbdio.Member) (rbdio.Info, error) { return t.members.StatMember(m) }
