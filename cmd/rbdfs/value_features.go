package main

import (
	"fmt"
	"slices"
	"strings"
)

// imageFeatures are the features that a new image can be asked for, as the rbd
// command names them, each with the one that it needs. Striping and data-pool
// are not in it: they follow from other options.
var imageFeatures = []struct{ name, needs string }{
	{"layering", ""},
	{"exclusive-lock", ""},
	{"object-map", "exclusive-lock"},
	{"fast-diff", "object-map"},
	{"deep-flatten", ""},
	{"journaling", "exclusive-lock"},
}

// features is the list of a new image's features; empty for Ceph's default.
type features []string

// UnmarshalText parses a comma-separated list, and checks that librbd would
// take it (librbd: validate_features).
func (f *features) UnmarshalText(text []byte) error {
	var list features
	for name := range strings.SplitSeq(string(text), ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(featureNames(), name) {
			return fmt.Errorf("%q is not an image feature; there are %s", name, strings.Join(featureNames(), ", "))
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	for _, known := range imageFeatures {
		if slices.Contains(list, known.name) && known.needs != "" && !slices.Contains(list, known.needs) {
			return fmt.Errorf("the feature %s needs %s", known.name, known.needs)
		}
	}
	*f = list
	return nil
}

// featureNames are the names that UnmarshalText takes.
func featureNames() []string {
	names := make([]string, len(imageFeatures))
	for i, f := range imageFeatures {
		names[i] = f.name
	}
	return names
}
