// Package neighbour has images that are stuck beside others, in one mount: their data
// pool does not answer. Whatever they have under way, the others go on.
package neighbour
