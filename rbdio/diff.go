package rbdio

import "slices"

// MergeDiff returns what of [fileOff, fileOff+length) is in two sets that do not
// overlap, data and zeros, in order.
func MergeDiff(data, zeros *ExtentSet, fileOff, length uint64) []DiffExtent {
	var list []DiffExtent
	for _, e := range data.Clip(fileOff, length) {
		list = append(list, DiffExtent{Extent: e})
	}
	for _, e := range zeros.Clip(fileOff, length) {
		list = append(list, DiffExtent{Extent: e, Zero: true})
	}
	slices.SortFunc(list, func(a, b DiffExtent) int {
		if a.Off < b.Off {
			return -1
		}
		return 1
	})
	return list
}
