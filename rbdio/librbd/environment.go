package librbd

import "strings"

// earlyArgs are the arguments that librados leaves to each program, even where
// it reads the rest of CEPH_ARGS itself (ceph: src/common/ceph_argparse.cc,
// ceph_argparse_early_args).
type earlyArgs struct{ conf, cluster, id, name string }

// parseEarlyArgs finds them in the words of CEPH_ARGS. An option's value is the
// next word, or what follows a "=" in the same.
func parseEarlyArgs(words string) earlyArgs {
	var a earlyArgs
	targets := map[string]*string{
		"-c": &a.conf, "--conf": &a.conf, "--cluster": &a.cluster,
		"-i": &a.id, "--id": &a.id, "--user": &a.id, "-n": &a.name, "--name": &a.name,
	}
	list := strings.Fields(words)
	for i := 0; i < len(list); i++ {
		option, value, joined := strings.Cut(list[i], "=")
		target := targets[option]
		if target == nil {
			continue
		}
		if !joined {
			if i++; i == len(list) {
				break
			}
			value = list[i]
		}
		*target = value
	}
	return a
}

// identity completes cfg by the environment: which conf, cluster and user.
// Options of this program win over CEPH_ARGS, CEPH_ARGS over CEPH_CONF.
func (c Config) identity(getenv func(string) string) (conf, cluster, user string) {
	early := parseEarlyArgs(getenv("CEPH_ARGS"))
	conf = first(c.Conf, early.conf, getenv("CEPH_CONF"))
	cluster = first(c.Cluster, early.cluster, "ceph")
	switch {
	case c.Name != "":
		user = c.Name
	case c.ID != "":
		user = "client." + c.ID
	case early.name != "":
		user = early.name
	case early.id != "":
		user = "client." + early.id
	default:
		user = "client.admin"
	}
	return conf, cluster, user
}

// first returns the first of its arguments that is not empty.
func first(candidates ...string) string {
	for _, s := range candidates {
		if s != "" {
			return s
		}
	}
	return ""
}
