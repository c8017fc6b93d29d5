package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// cephFlags say which cluster, and who asks; the names are those of the ceph
// and rbd commands.
type cephFlags struct {
	Conf       string       `short:"c" placeholder:"FILE" help:"The cluster's ceph.conf; $$CEPH_CONF or Ceph's usual places otherwise."`
	ID         string       `xor:"who" placeholder:"ID" help:"Ceph user without its \"client.\"; admin otherwise."`
	Name       string       `short:"n" xor:"who" placeholder:"TYPE.ID" help:"Ceph user with its type."`
	Keyring    string       `short:"k" placeholder:"FILE" help:"File with the user's key; $$CEPH_KEYRING or that of ceph.conf otherwise."`
	Cluster    string       `placeholder:"NAME" help:"Cluster name, which ceph.conf is found by."`
	MonHost    string       `short:"m" placeholder:"ADDRESSES" help:"Monitors, instead of those of ceph.conf."`
	CephOption []cephOption `sep:"none" placeholder:"KEY=VALUE" help:"Any other option of ceph.conf; may be repeated."`
}

// Validate checks what kong's tags cannot say.
func (f *cephFlags) Validate() error {
	if strings.HasPrefix(f.ID, "client.") {
		return errors.New("--id takes the user without its \"client.\"; use --name for the full name")
	}
	if kind, id, _ := strings.Cut(f.Name, "."); f.Name != "" && (kind == "" || id == "") {
		return errors.New("--name takes the user with its type, such as client.admin")
	}
	return nil
}

// absolute makes the paths independent of the working directory, which a
// background daemon leaves.
func (f *cephFlags) absolute() error {
	for _, path := range []*string{&f.Conf, &f.Keyring} {
		abs, err := absoluteFile(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	for _, name := range []string{"CEPH_CONF", "CEPH_KEYRING"} {
		abs, err := absoluteFile(os.Getenv(name))
		if err != nil {
			return err
		}
		if abs != "" {
			if err := os.Setenv(name, abs); err != nil {
				return err
			}
		}
	}
	return nil
}

// absoluteFile makes one path absolute. A list of paths, which a keyring may
// be, stays as it is.
func absoluteFile(path string) (string, error) {
	if path == "" || strings.ContainsAny(path, ",; ") {
		return path, nil
	}
	return filepath.Abs(path)
}
