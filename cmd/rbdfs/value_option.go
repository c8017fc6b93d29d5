package main

import (
	"fmt"
	"strings"
)

// cephOption is a setting of Ceph, as in ceph.conf.
type cephOption struct{ key, value string }

// UnmarshalText parses KEY=VALUE. As in ceph.conf, spaces and dashes in the key
// stand for underscores; the value is taken as it is.
func (o *cephOption) UnmarshalText(text []byte) error {
	key, value, ok := strings.Cut(string(text), "=")
	key = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.TrimSpace(key))
	if !ok || key == "" {
		return fmt.Errorf("%q is not KEY=VALUE", text)
	}
	o.key, o.value = key, value
	return nil
}
