// Package features tests the mount on images of every feature set that the
// cluster can make, made by the rbd command, with every mount option that
// concerns images, and for users of different caps.
package features
