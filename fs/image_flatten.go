package fs

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"rbdfs/rbdio"
)

// xattrFlatten is the attribute of a clone by which it is flattened.
const xattrFlatten = xattrPrefix + "flatten"

// flatten answers setxattr(2) of user.rbd.flatten: 1 begins to copy what the
// parent backs into the clone, in the background, and 0 stops that. EINVAL for any
// other value, and for an image without a parent.
func (n *imageNode) flatten(ctx context.Context, value string) syscall.Errno {
	switch value {
	case "1":
		return n.call(ctx, n.name(), func() error { return n.gone(n.files.Flatten(n.id)) })
	case "0":
		n.files.StopFlatten(n.id)
		return 0
	}
	return syscall.EINVAL
}

// flattening is the value of user.rbd.flatten: how much is done, and why it ended
// before that. ENODATA for an image that needs none.
func (n *imageNode) flattening() (string, error) {
	state, ok := n.files.FlattenState(n.id)
	if ok && (state.Running || state.Err == nil) {
		return fmt.Sprintf("%d%%", state.Percent), nil
	}
	if errors.Is(state.Err, rbdio.ErrStopped) {
		return fmt.Sprintf("%d%%, stopped", state.Percent), nil
	}
	if ok {
		errno, _ := toErrno(state.Err)
		return fmt.Sprintf("%d%%, ended: %s", state.Percent, errno.Error()), nil
	}
	details, err := n.pool.Describe(n.id)
	if err != nil {
		return "", err
	}
	if details.Parent == "" {
		return "", rbdio.Errorf(syscall.ENODATA, "get %s", xattrFlatten)
	}
	return "0%", nil
}
