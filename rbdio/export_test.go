package rbdio

// What tests do to a file that is open by a handle.

func (h *Handle) Settle() error               { return h.file.Settle() }
func (h *Handle) SetAttr(attr Attr) error     { return h.file.SetAttr(attr) }
func (h *Handle) Still(do func() error) error { return h.file.Still(do) }
func (h *Handle) File() *File                 { return h.file }
