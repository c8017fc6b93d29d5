package librbd

import (
	"syscall"

	"rbdfs/rbdio"
)

// StatMany is Stat of several images at once: their names, where they are to be
// checked, and headers first, and then the object maps of those that have one that
// counts.
//
// Calls rados_aio_read_op_operate with get_id, what Stat lists and object_map_load.
func (p *Pool) StatMany(entries []rbdio.Entry) []rbdio.Answer {
	var answers []rbdio.Answer
	err := p.read(func(s *session) error {
		answers = s.statMany(entries)
		for _, a := range answers {
			if rbdio.IsFenced(a.Err) {
				return a.Err
			}
		}
		return nil
	})
	if answers == nil { // there was no session
		answers = make([]rbdio.Answer, len(entries))
		for i := range answers {
			answers[i].Err = err
		}
	}
	return answers
}

// statMany is StatMany on one session.
func (s *session) statMany(entries []rbdio.Entry) []rbdio.Answer {
	answers := make([]rbdio.Answer, len(entries))
	s.checkNames(entries, answers)
	s.readHeaders(entries, answers)
	return answers
}

// checkNames sets the error of each entry whose name is not the image's, or none.
func (s *session) checkNames(entries []rbdio.Entry, answers []rbdio.Answer) {
	var oids []string
	var which []int
	for i, e := range entries {
		if e.Name != "" {
			oids, which = append(oids, idObject(e.Name)), append(which, i)
		}
	}
	readMany(s.io, oids, []step{{method: "get_id"}}, func(k int, steps []step, errno syscall.Errno) {
		e := entries[which[k]]
		id, err := s.idOf(e.Name, steps[0], errno)
		if err == nil && id != e.ID {
			err = s.check(syscall.ENOENT, "look up %q as image %s", e.Name, e.ID)
		}
		answers[which[k]].Err = err
	})
}

// readHeaders fills in the answers that have no error yet.
func (s *session) readHeaders(entries []rbdio.Entry, answers []rbdio.Answer) {
	var oids []string
	var which []int
	for i, e := range entries {
		if answers[i].Err == nil {
			oids, which = append(oids, headerObject(e.ID)), append(which, i)
		}
	}
	var maps []string
	var mapped []int
	headers := make(map[int]header)
	readMany(s.io, oids, headerSteps(noSnap), func(k int, steps []step, errno syscall.Errno) {
		i := which[k]
		h, err := s.headerOf(entries[i].ID, steps, errno)
		if err != nil {
			answers[i].Err = err
			return
		}
		answers[i].Info = h.info(entries[i].ID)
		answers[i].Info.Allocated = h.allocated(nil, syscall.ENOENT)
		if h.mapped() {
			headers[i] = h
			maps, mapped = append(maps, objectMapObject(entries[i].ID)), append(mapped, i)
		}
	})
	readMany(s.io, maps, []step{{method: objectMapLoad}}, func(k int, steps []step, errno syscall.Errno) {
		if errno == 0 {
			errno = steps[0].errno
		}
		i := mapped[k]
		answers[i].Info.Allocated = headers[i].allocated(steps[0].out, errno)
	})
}
