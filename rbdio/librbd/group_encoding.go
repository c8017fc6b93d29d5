package librbd

import "rbdfs/rbdio"

// The encodings of groups (ceph: src/cls/rbd/cls_rbd_types.cc), the same in 16 and
// 18: a later version only appends to its frame.

// groupImage is a cls::rbd::GroupImageSpec: an image that is in a group.
type groupImage struct {
	imageID string
	poolID  int64
}

// encode writes the image, as the place to go on behind.
func (g groupImage) encode(e *encoder) *encoder {
	content := new(encoder).str(g.imageID).u64(uint64(g.poolID))
	return e.frame(content)
}

// decodeGroupImages reads a vector<cls::rbd::GroupImageStatus>.
func decodeGroupImages(b []byte) (list []groupImage, ok bool) {
	d := &decoder{b: b}
	for n := d.u32(); n > 0 && d.err == nil; n-- {
		status := d.frame(1)
		spec := status.frame(1)
		g := groupImage{imageID: spec.str(), poolID: int64(spec.u64())}
		if spec.err != nil {
			return nil, false
		}
		list = append(list, g)
	}
	return list, d.err == nil
}

// groupSnap is a cls::rbd::GroupSnapshot. One that is not complete is being made
// or was cut off.
type groupSnap struct {
	rbdio.GroupSnapshot
	complete bool
}

// groupSnapComplete is the state of one that is there
// (GROUP_SNAPSHOT_STATE_COMPLETE).
const groupSnapComplete = 1

// encode writes the snapshot, as the place to go on behind: its id and name alone.
func (g groupSnap) encode(e *encoder) *encoder {
	content := new(encoder).str(g.ID).str(g.Name)
	content.b = append(content.b, 0)
	return e.frame(content.u32(0))
}

// decodeGroupSnaps reads a vector<cls::rbd::GroupSnapshot>. Pool ids are as they
// are, also that of the group's own pool.
func decodeGroupSnaps(b []byte) (list []groupSnap, ok bool) {
	d := &decoder{b: b}
	for n := d.u32(); n > 0 && d.err == nil; n-- {
		c := d.frame(1)
		var g groupSnap
		g.ID, g.Name = c.str(), c.str()
		g.complete = c.u8() == groupSnapComplete
		for m := c.u32(); m > 0 && c.err == nil; m-- {
			spec := c.frame(1)
			g.Members = append(g.Members, rbdio.Member{PoolID: int64(spec.u64()), ImageID: spec.str(), SnapID: spec.u64()})
			if spec.err != nil {
				return nil, false
			}
		}
		if c.err != nil {
			return nil, false
		}
		list = append(list, g)
	}
	return list, d.err == nil
}
