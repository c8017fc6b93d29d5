// Package outage stops the daemons of a cluster of its own under a mount: I/O
// waits and goes on, what waits can be killed, and --io-timeout makes it an error.
package outage
