package fs

import (
	"errors"
	"log/slog"
	"syscall"

	"rbdfs/rbdio"
)

// errnoRule says what a user gets for an errno of librbd or librados, and how
// loud the log is about it.
type errnoRule struct {
	to    syscall.Errno
	level slog.Level
}

// errnoTable maps every errno that librbd and librados are known to answer. An
// errno that is not in it becomes EIO. ENOSYS is never passed on: the kernel
// would stop sending such requests for the life of the mount.
var errnoTable = map[syscall.Errno]errnoRule{
	syscall.ENOENT:       {syscall.ENOENT, slog.LevelDebug},
	syscall.EEXIST:       {syscall.EEXIST, slog.LevelDebug},
	syscall.ENXIO:        {syscall.ENXIO, slog.LevelDebug},
	syscall.EBADF:        {syscall.EBADF, slog.LevelDebug},
	syscall.ENODATA:      {syscall.ENODATA, slog.LevelDebug},
	syscall.ERANGE:       {syscall.ERANGE, slog.LevelDebug},
	syscall.EINTR:        {syscall.EINTR, slog.LevelDebug},
	syscall.EBUSY:        {syscall.EBUSY, slog.LevelWarn},
	syscall.ENOTEMPTY:    {syscall.ENOTEMPTY, slog.LevelWarn},
	syscall.EROFS:        {syscall.EROFS, slog.LevelInfo},
	syscall.EPERM:        {syscall.EPERM, slog.LevelInfo},
	syscall.EACCES:       {syscall.EACCES, slog.LevelInfo},
	syscall.EINVAL:       {syscall.EINVAL, slog.LevelInfo},
	syscall.ENAMETOOLONG: {syscall.ENAMETOOLONG, slog.LevelInfo},
	syscall.EFBIG:        {syscall.EFBIG, slog.LevelInfo},
	syscall.EOPNOTSUPP:   {syscall.EOPNOTSUPP, slog.LevelInfo},
	syscall.EXDEV:        {syscall.EXDEV, slog.LevelInfo},
	syscall.ESTALE:       {syscall.ESTALE, slog.LevelInfo},
	syscall.ENOSPC:       {syscall.ENOSPC, slog.LevelWarn},
	syscall.EDQUOT:       {syscall.EDQUOT, slog.LevelWarn},
	syscall.ENOMEM:       {syscall.ENOMEM, slog.LevelError},
	syscall.EDOM:         {syscall.EINVAL, slog.LevelInfo},     // an option out of range, or a shrink that was not allowed
	syscall.E2BIG:        {syscall.EFBIG, slog.LevelInfo},      // more objects than an object map can hold
	syscall.ENOSYS:       {syscall.EOPNOTSUPP, slog.LevelWarn}, // an image feature that this librbd does not know
	syscall.ENOEXEC:      {syscall.EOPNOTSUPP, slog.LevelWarn}, // an object class that the OSDs do not have
	syscall.EDEADLK:      {syscall.EBUSY, slog.LevelWarn},      // the exclusive lock is held by this client itself
	syscall.EAGAIN:       {syscall.EBUSY, slog.LevelWarn},      // the exclusive lock's owner did not hand it over
	syscall.ESHUTDOWN:    {syscall.EIO, slog.LevelError},       // this client is blocklisted
	syscall.ETIMEDOUT:    {syscall.EIO, slog.LevelError},       // --io-timeout, or the lock's owner is silent
	syscall.ENOTCONN:     {syscall.EIO, slog.LevelError},       // the connection was shut down
	syscall.ECANCELED:    {syscall.EIO, slog.LevelError},       // the image was being closed
	syscall.EIO:          {syscall.EIO, slog.LevelError},       // an object is unreadable
	syscall.EILSEQ:       {syscall.EIO, slog.LevelError},       // a checksum is wrong
	syscall.EBADMSG:      {syscall.EIO, slog.LevelError},       // a header cannot be decoded
}

// toErrno returns what the user gets for err; 0 for nil.
func toErrno(err error) (syscall.Errno, slog.Level) {
	if err == nil {
		return 0, slog.LevelDebug
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return syscall.EIO, slog.LevelError
	}
	rule, ok := errnoTable[errno]
	if !ok {
		return syscall.EIO, slog.LevelError
	}
	return rule.to, rule.level
}

// errno turns err into the errno that the user gets, and logs what the errno
// alone does not say.
func (m *mount) errno(err error, name string) syscall.Errno {
	to, level := toErrno(err)
	if to == 0 {
		return 0
	}
	msg := "refused"
	if to == syscall.EIO {
		msg = "failed"
	}
	attrs := []any{"image", name, "errno", to.Error(), "error", err.Error()}
	if rbdio.IsFenced(err) {
		msg = "cut off: the cluster has blocklisted this client; open files answer EIO until they are closed"
	}
	m.log.Log(bg, level, msg, attrs...)
	return to
}
