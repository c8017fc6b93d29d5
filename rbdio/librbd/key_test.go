package librbd

import (
	"encoding/base64"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"rbdfs/tests/cluster"
)

// newKey is a key of that type, with an empty secret of so many bytes.
func newKey(kind uint16, secret int) string {
	raw := binary.LittleEndian.AppendUint16(nil, kind)
	raw = append(raw, make([]byte, 8)...)
	raw = binary.LittleEndian.AppendUint16(raw, uint16(secret))
	return base64.StdEncoding.EncodeToString(append(raw, make([]byte, secret)...))
}

func TestKeyType(t *testing.T) {
	for text, want := range map[string]uint16{
		"AQBnTrBoAAAAABAA0000000000000000000000==":                     1,
		"AgBViAlrJA5lAyAAMocTjypkb3KvjgxNORuJ9P4m7q4wOdpvpNDHLWQ8wCU=": 2, // by ceph-authtool of 20.2.4
		newKey(9, 64):      9,
		newKey(2, 32)[:40]: 0, "AAAA": 0, "": 0, "no base64!": 0,
	} {
		if kind, ok := keyType(text); kind != want || ok != (want != 0) {
			t.Errorf("%q is of type %d, %v, not %d", text, kind, ok, want)
		}
	}
}

func TestParseKeyring(t *testing.T) {
	got := parseKeyring("# two\n[client.a]\n\tkey = QUJD==\n\tcaps mon = \"profile rbd\"\n\n[ client.b ]\nkey=\"REVG\"\n")
	if want := []userKey{{"client.a", "QUJD=="}, {"client.b", "REVG"}}; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, not %v", got, want)
	}
}

// A key that librados cannot use is told from a cluster in trouble, wherever the key
// comes from, and also when it is another user's in the same file.
func TestConnectByKeys(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	own, err := os.ReadFile(ceph.Keyring(cluster.RBD))
	must(t, err)
	// The cluster's own keys are of the newest type that the installed Ceph knows.
	newest := parseKeyring(string(own))[0].text
	aes256k := KeyTypeUnknown
	if kind, ok := keyType(newest); ok && kind == 2 {
		aes256k = AuthRefused // known, and not this cluster's
	}
	good := write("good", "[client.rbd]\n\tkey = "+newest+"\n")
	newer := write("newer", "[client.rbd]\n\tkey = "+newKey(2, 32)+"\n")
	unknown := write("unknown", "[client.rbd]\n\tkey = "+newKey(9, 64)+"\n")
	for _, test := range []struct {
		name    string
		keyring string
		options []string
		want    Step // "" when it connects
	}{
		{"aes256k", newer, nil, aes256k},
		{"unknown type", unknown, nil, KeyTypeUnknown},
		{"another user's", write("others", string(own)+"[client.x]\n\tkey = "+newKey(9, 64)+"\n"), nil, KeyTypeUnknown},
		{"option key", "", []string{"key=" + newKey(9, 64)}, KeyTypeUnknown},
		{"option keyfile", "", []string{"keyfile=" + write("keyfile", newKey(9, 64)+"\n")}, KeyTypeUnknown},
		{"no key", "", []string{"key=nonsense"}, KeyringUnreadable},
		{"no keyring", write("text", "nonsense\n"), nil, KeyringUnreadable},
		{"cut", write("cut", "[client.rbd]\n\tkey = "+newKey(1, 16)[:20]+"\n"), nil, KeyringUnreadable},
		{"the first keyring there", filepath.Join(dir, "none") + "," + good + "," + unknown, nil, ""},
		{"option before keyring", unknown, []string{"key=" + newest}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := Config{Conf: ceph.Conf(), Name: cluster.RBD, Keyring: test.keyring, Options: test.options, Pool: cluster.DefaultPool}
			if test.want != "" {
				if got := connectStep(t, cfg); got.Step != test.want {
					t.Errorf("step %q, want %q", got.Step, test.want)
				}
				return
			}
			p, err := Connect(cfg)
			must(t, err)
			must(t, p.Close())
		})
	}
}
