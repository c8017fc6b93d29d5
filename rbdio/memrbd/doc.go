// Package memrbd is an rbdio.Pool in memory, for unit tests only. It keeps to
// what librbd does where a file system could get it wrong:
//
//   - A write is in the cache of the open image that made it until Flush, Close
//     or, without Options.WriteBack, at once. Another open image of the same
//     client does not see it before. Crash loses it, and CrashAtRandom any parts.
//   - WriteZeroes and Resize do not wait in a cache. They free the objects that
//     lie whole in their range; in others they only zero bytes.
//   - Extents and Allocated count whole objects, even those that hold zeros,
//     and know nothing of what is in a cache.
//   - An image's times move at most once a minute with its reads and writes.
//   - An image open for writing has a watcher.
//
// A use that librbd would not survive panics: a call on a closed image or pool.
//
// What the world does meanwhile is scripted. Fail, Delay and Block take the name
// of a method of rbdio.Pool or rbdio.Image, but for Pool.Close, Key and Layout;
// "Close" is an image's. Foreign is another client of the pool. Crash is the
// end of this one: a test then opens the images again.
//
// All calls may overlap. Pool.mu guards all images and open images; script.mu
// guards the script. Neither is held while the other is taken, nor while a call
// is delayed or blocked.
package memrbd
