package librbd

import (
	"fmt"

	"github.com/ceph/go-ceph/rbd"
)

// Bits of an image's features and flags that decide something here (ceph:
// src/include/rbd/features.h, src/include/rbd/librbd.h).
const (
	featureStriping      = rbd.FeatureStripingV2
	featureExclusiveLock = rbd.FeatureExclusiveLock
	featureObjectMap     = rbd.FeatureObjectMap
	featureFastDiff      = rbd.FeatureFastDiff
	featureJournaling    = rbd.FeatureJournaling
	featureDataPool      = rbd.FeatureDataPool
	featureMigrating     = rbd.FeatureMigrating
	featureNonPrimary    = 1 << 10
	featureDirtyCache    = 1 << 11

	// featuresOwnData are the features of an image whose data is in objects of its own
	// and its parents': all that are known, but migrating and dirty-cache.
	featuresOwnData = rbd.FeatureLayering | featureStriping | featureExclusiveLock | featureObjectMap | featureFastDiff |
		rbd.FeatureDeepFlatten | featureJournaling | featureDataPool | rbd.FeatureOperations | featureNonPrimary

	flagObjectMapInvalid = 1 << 0
	flagFastDiffInvalid  = 1 << 1
)

// featureNames are the rbd command's names, by bit.
var featureNames = [...]string{
	"layering", "striping", "exclusive-lock", "object-map", "fast-diff", "deep-flatten",
	"journaling", "data-pool", "operations", "migrating", "non-primary", "dirty-cache",
}

// flagNames are the rbd command's names, by bit.
var flagNames = [...]string{"object map invalid", "fast diff invalid"}

// namesOf gives the names of the bits in set, and a number for one without.
func namesOf(set uint64, names []string) []string {
	var list []string
	for bit := range 64 {
		switch {
		case set&(1<<bit) == 0:
		case bit < len(names):
			list = append(list, names[bit])
		default:
			list = append(list, fmt.Sprintf("bit %d", bit))
		}
	}
	return list
}

// featureBits is the inverse of namesOf for features.
func featureBits(names []string) (uint64, error) {
	var set uint64
next:
	for _, name := range names {
		for bit, known := range featureNames {
			if name == known {
				set |= 1 << bit
				continue next
			}
		}
		return 0, fmt.Errorf("image feature %q is unknown; there are %q", name, featureNames)
	}
	return set, nil
}
