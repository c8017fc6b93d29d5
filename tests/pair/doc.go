// Package pair tests two mounts of one pool, and the rbd command beside them:
// what one changes the others see, in time and whole.
package pair
