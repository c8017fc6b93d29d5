package librbd

/*
#include "image.h"
*/
import "C"

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"unsafe"
)

// rule is an option of librbd that safety rests on. A connection sets it to its safe
// value, which is stronger than ceph.conf, the environment and the monitors'
// configuration. A pool and an image can have a value of their own
// (rbd config pool|image set), which is stronger still and cannot be overridden, so
// the value is read back from each image that is opened.
//
// A change counts at the next open: librbd makes its cache and loads its plugins when
// an image is opened, and only then (ceph: src/librbd/image/OpenRequest.cc:
// send_init_cache, send_init_plugin_registry), and copies once it has begun to
// (src/librbd/ImageCtx.cc: apply_metadata: disable_zero_copy). The lock option is asked
// for when a lock is broken, but every client that may break it checks it for itself.
type rule struct {
	key   string
	safe  func(before string) string // the value to set in place of another
	holds func(value string) bool
	asked func(values optionValues, writing bool) bool // whether it matters to an image
	slow  bool                                         // writes wait for the OSDs where it does not hold
	why   string                                       // what happens where it does not hold
}

// copyOption has librbd copy what it is given to write. Otherwise it uses the memory
// until the write is over, and writing behind is over before that; and a write that
// fails is never over (seen on 16.2.15, when blocklisted). It saves 13% of the CPU
// of 1 MiB writes. rbd_write always copies.
const copyOption = "rbd_disable_zero_copy_writes"

// rules are the options that safety rests on. An option that is not in librbd's list
// is one that this release does not have, and cannot hurt.
//
// These were looked at and decide nothing, with the cache off:
//   - the other rbd_cache_* and rbd_readahead_*: they are the cache's. Readahead is
//     thrown away without one.
//   - rbd_skip_partial_discard, rbd_discard_granularity_bytes: rbd_discard's, and
//     rbd_write_zeroes asks for a granularity of 0 (src/librbd/api/Io.cc: aio_write_zeroes).
//   - rbd_read_from_replica_policy, rbd_balance_*, rbd_localize_*: an OSD that is not the
//     primary refuses to read an object whose last write is not on all OSDs yet
//     (src/osd/PeeringState.cc: can_serve_replica_read, since 15), and librbd does not
//     ask older ones.
//   - rbd_journal_*: a write is over when its object has it, after its journal.
//   - rbd_persistent_cache_*: without its plugin nobody reads them.
//   - rbd_parent_cache_enabled and its plugin: what it caches, parents' snapshots, never changes.
//   - rbd_clone_copy_on_read, rbd_sparse_read_threshold_bytes, rbd_non_blocking_aio,
//     rbd_io_scheduler*, rbd_qos_*, hints, intervals, limits: how fast, and not what.
//   - rbd_invalidate_object_map_on_timeout: without it the write fails instead.
//   - rbd_blocklist_expire_seconds: the cluster's own value has an end, too.
var rules = []rule{
	{
		key: "rbd_cache", safe: always("false"), holds: isFalse, asked: ifWriting,
		why: "fsync succeeds for data that librbd's cache loses",
	},
	{
		key: "rbd_cache_policy", safe: always("writearound"), holds: isWritearound, asked: ifCached,
		why: "librbd's cache goes on showing what another host has overwritten",
	},
	{
		key: "rbd_plugins", safe: safePlugins, holds: arePluginsSafe, asked: ifWriting,
		why: "fsync succeeds for data that is on this host's disk alone",
	},
	{
		key: "rbd_blocklist_on_break_lock", safe: always("true"), holds: isTrue, asked: ifWriting,
		why: "a client that has lost the lock still writes",
	},
	{
		key: copyOption, safe: always("true"), holds: isTrue, asked: ifWriting, slow: true,
		why: "librbd is not safe to write behind with it",
	},
}

func always(value string) func(string) string { return func(string) string { return value } }

func ifWriting(_ optionValues, writing bool) bool { return writing }

// ifCached tells whether there is a cache that the policy is one of.
func ifCached(values optionValues, _ bool) bool {
	v, known := values["rbd_cache"]
	return known && !isFalse(v.text)
}

// isTrue tells whether an option's text is surely true; Ceph takes true, false and
// numbers (ceph: src/common/options.cc: parse_value).
func isTrue(text string) bool { return strings.EqualFold(text, "true") || text == "1" }

func isFalse(text string) bool { return strings.EqualFold(text, "false") || text == "0" }

func isWritearound(text string) bool { return text == "writearound" }

// pluginsOf splits a list of plugins as librbd does (ceph: src/librbd/PluginRegistry.cc).
func pluginsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",; \t", r) })
}

// isPluginUnsafe is true of every plugin that is not known to keep writes out.
func isPluginUnsafe(name string) bool { return name != "parent_cache" }

func arePluginsSafe(text string) bool { return !slices.ContainsFunc(pluginsOf(text), isPluginUnsafe) }

func safePlugins(before string) string {
	return strings.Join(slices.DeleteFunc(pluginsOf(before), isPluginUnsafe), ",")
}

// optionValue is the value of an option of an image, and who has set it.
type optionValue struct {
	text   string
	source C.rbd_config_source_t
}

// optionValues are those that rules ask for, by their names.
type optionValues map[string]optionValue

// options reads the image's options that there are rules for, as its own metadata, its
// pool's and the connection say.
//
// Calls rbd_config_image_list.
func (i *readImage) options() (optionValues, error) {
	var list *C.rbd_config_option_t
	var n C.int
	if errno := errnoOf(C.rbdfs_options(i.handle, &list, &n)); errno != 0 {
		return nil, i.s.check(errno, "list the options of %s", i.label)
	}
	defer C.rbdfs_options_free(list, n)
	values := make(optionValues, len(rules))
	for _, o := range unsafe.Slice(list, int(n)) {
		name := C.GoString(o.name)
		if slices.ContainsFunc(rules, func(r rule) bool { return r.key == name }) {
			values[name] = optionValue{C.GoString(o.value), o.source}
		}
	}
	return values, nil
}

// keepRules refuses an image of whose options one is not safe; EOPNOTSUPP. slow says
// that each write must wait for the OSDs. A snapshot need not be asked: what a cache
// keeps of it does not change.
func (i *readImage) keepRules(writing bool) (slow bool, err error) {
	values, err := i.options()
	if err != nil {
		return false, err
	}
	for _, r := range rules {
		v, known := values[r.key]
		if !known || !r.asked(values, writing) || r.holds(v.text) {
			continue
		}
		why := fmt.Sprintf("with %s=%s %s; %q removes it", r.key, v.text, r.why, i.removal(r.key, v.source))
		if !r.slow {
			i.s.pool.log.Warn("not opened: "+why, "image", i.label)
			return false, i.s.because(syscall.EOPNOTSUPP, why, "open %s", i.label)
		}
		slow = true
		i.s.pool.log.Warn("writes are slow: "+why, "image", i.label)
	}
	return slow, nil
}

// removal is the command that removes the value of an option.
func (i *readImage) removal(key string, source C.rbd_config_source_t) string {
	pool := i.s.pool.cfg.Pool
	if source != C.RBD_CONFIG_SOURCE_IMAGE {
		return fmt.Sprintf("rbd config pool rm %s %s", pool, key)
	}
	if space := i.s.pool.cfg.Namespace; space != "" {
		pool += "/" + space
	}
	return fmt.Sprintf("rbd config image rm %s/%s %s", pool, strings.Trim(i.label, `"`), key)
}
