package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// poolSpec is POOL or POOL/NAMESPACE.
type poolSpec struct {
	pool      string
	namespace string // "" for the pool's default namespace
}

// UnmarshalText parses POOL[/NAMESPACE].
func (p *poolSpec) UnmarshalText(text []byte) error {
	s := string(text)
	pool, namespace, slash := strings.Cut(s, "/")
	switch {
	case pool == "":
		return errors.New("the pool's name is empty")
	case slash && namespace == "":
		return fmt.Errorf("%q names an empty namespace", s)
	case strings.Contains(namespace, "/"):
		return fmt.Errorf("%q has more than POOL/NAMESPACE: images are files of the mount", s)
	case strings.Contains(s, "@"):
		return fmt.Errorf("%q has an @: snapshots are directories of the mount", s)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q has a control character", s)
	}
	p.pool, p.namespace = pool, namespace
	return nil
}

// String is the form that UnmarshalText parses, shown by df and mount.
func (p poolSpec) String() string {
	if p.namespace == "" {
		return p.pool
	}
	return p.pool + "/" + p.namespace
}
