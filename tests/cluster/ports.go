package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// monPorts are tried for the monitor. They lie below the range that the
// kernel takes outgoing ports from (ip_local_port_range starts at 32768), so
// that no connection can take one between the check and the monitor's bind,
// and above the 6800 to 7568 that OSDs and managers choose from by themselves.
const monPortMin, monPortMax = 10000, 32000

// freePort finds a TCP port on loopback that nobody listens on.
func freePort() (int, error) {
	const attempts = 100
	for range attempts {
		port := monPortMin + rand.IntN(monPortMax-monPortMin)
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("port for the monitor: %d random ones of 127.0.0.1 are in use", attempts)
}
