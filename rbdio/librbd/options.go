package librbd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ceph/go-ceph/rados"
)

// connectTimeout is how long a monitor may take to answer: Connect is to fail
// within 10 s.
const connectTimeout = 8 * time.Second

// setting is an option of Ceph's and its value.
type setting struct{ key, value string }

// polite are options that hold unless the user has set them: nothing of Ceph's
// own on stderr, and no five minutes of waiting for monitors. Setting one to its
// default does not count as setting it.
var polite = []setting{
	{"log_to_stderr", "false"},
	{"err_to_stderr", "false"},
	{"client_mount_timeout", strconv.Itoa(int(connectTimeout / time.Second))},
}

// configure sets all options of a connection, the stronger ones later: ceph.conf,
// the environment, our own, Config's. Its error is a *StartError.
func configure(conn *rados.Conn, cfg Config, confPath, cluster string) error {
	before := make([]string, len(polite))
	for i, s := range polite {
		before[i] = option(conn, s.key)
	}
	confErr := readConf(conn, confPath, cluster)
	if confErr != nil && confErr.Step != ConfMissing {
		return confErr
	}
	// CEPH_ARGS, and CEPH_KEYRING.
	if err := conn.ParseDefaultConfigEnv(); err != nil {
		return badOption("CEPH_ARGS %q: %v", os.Getenv("CEPH_ARGS"), errnoFrom(err))
	}
	for i, s := range polite {
		if option(conn, s.key) == before[i] {
			if err := set(conn, s); err != nil {
				return err
			}
		}
	}
	if err := setSafe(conn); err != nil {
		return err
	}
	for _, s := range cfg.settings() {
		if err := set(conn, s); err != nil {
			return err
		}
	}
	if err := checkSafe(conn); err != nil {
		return err
	}
	if option(conn, "mon_host") != "" && (confErr == nil || confPath == "") {
		return nil
	}
	if confErr != nil {
		return confErr
	}
	return monitorsByName(conn, confPath)
}

// monitorsByName looks for monitors in DNS, where the conf names none. librados
// does so too, but tells standard error when there are none.
func monitorsByName(conn *rados.Conn, confPath string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	service, domain, _ := strings.Cut(option(conn, "mon_dns_srv_name"), "_")
	if _, hosts, err := net.DefaultResolver.LookupSRV(ctx, service, "tcp", domain); err == nil && len(hosts) > 0 {
		return nil
	}
	return &StartError{Step: ConfUnreadable, Subject: confPath, Err: errors.New("it names no monitors (mon_host)")}
}

// readConf reads ceph.conf. Without a path Ceph looks where it always does, for a
// file named after the cluster.
//
// Calls rados_conf_read_file.
func readConf(conn *rados.Conn, path, cluster string) *StartError {
	var err error
	if path == "" {
		err = conn.ReadDefaultConfigFile()
	} else if _, err = os.ReadFile(path); err == nil {
		// Read first, since librados says ENOENT, or EINVAL, for what it may not.
		err = conn.ReadConfigFile(path)
	}
	if err == nil {
		return nil
	}
	e := &StartError{Step: ConfUnreadable, Subject: first(path, "/etc/ceph/"+cluster+".conf"), Err: err}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		e.Err = errnoFrom(err)
	}
	if errors.Is(e.Err, syscall.ENOENT) {
		e.Step = ConfMissing
	}
	return e
}

// settings are the options that Config asks for, Config.Options last.
func (c Config) settings() []setting {
	list := []setting{
		// librados has whoever begins an operation wait while 1024 of them, or 100 MiB,
		// are under way, of all images together: one whose OSDs do not answer would stop
		// the others. What is under way is bounded for each image (fs/loop, behind.c).
		{"objecter_inflight_ops", strconv.Itoa(1 << 24)},
		{"objecter_inflight_op_bytes", strconv.Itoa(1 << 40)},
	}
	if c.IOTimeout > 0 {
		// Ceph takes whole seconds, and 0 for never.
		seconds := fmt.Sprint(int64(math.Ceil(c.IOTimeout.Seconds())))
		list = append(list, setting{"rados_osd_op_timeout", seconds}, setting{"rados_mon_op_timeout", seconds})
	}
	if c.Keyring != "" {
		list = append(list, setting{"keyring", c.Keyring})
	}
	if c.MonHost != "" {
		list = append(list, setting{"mon_host", c.MonHost})
	}
	for _, o := range c.Options {
		key, value, _ := strings.Cut(o, "=")
		list = append(list, setting{key, value})
	}
	return list
}

// setSafe sets the options that safety rests on, but those that this librbd lacks.
func setSafe(conn *rados.Conn) error {
	for _, r := range rules {
		before, err := conn.GetConfigOption(r.key)
		if err != nil {
			continue
		}
		if err := set(conn, setting{r.key, r.safe(before)}); err != nil {
			return err
		}
	}
	return nil
}

// checkSafe refuses what Config.Options have made of the options that safety rests on.
func checkSafe(conn *rados.Conn) error {
	for _, r := range rules {
		value, err := conn.GetConfigOption(r.key)
		if err == nil && !r.holds(value) {
			return badOption("ceph option %s=%s is not safe: %s; leave it out", r.key, value, r.why)
		}
	}
	return nil
}

// set sets one option.
//
// Calls rados_conf_set.
func set(conn *rados.Conn, s setting) error {
	err := conn.SetConfigOption(s.key, s.value)
	if err == nil {
		return nil
	}
	errno := errnoFrom(err)
	e := &StartError{Step: BadOption, Subject: s.key + "=" + s.value, Err: errno}
	if errno == syscall.ENOENT {
		e.Err = fmt.Errorf("no such option of Ceph: %w", errno)
	}
	return e
}
