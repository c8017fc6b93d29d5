package main

import "slices"

// mutations is all of them.
var mutations = slices.Concat(handleMutations, fileMutations, gateMutations, stillMutations, sizeMutations, filesMutations, snapshotMutations, behindMutations, clusterMutations)
