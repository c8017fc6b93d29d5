package librbd

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ceph/go-ceph/rados"
)

// keyAES is the type of cephx keys that every release of Ceph knows. Those of type
// 2, aes256k, need librados 19.2.6, 20.2.4 or later.
const keyAES = 1

// userKey is a key as text, and whose it is.
type userKey struct{ user, text string }

// keyError tells whether the user's key is why rados_connect refused, nil if not. It
// answers EIO for a keyring that it cannot read, be it because of one key of
// another user, and EINVAL for an option that holds no key, as for many other things.
func keyError(conn *rados.Conn, user string) *StartError {
	where, keys := keysOf(conn, user)
	if where == "" {
		return nil
	}
	if len(keys) == 0 {
		return &StartError{Step: KeyringUnreadable, Subject: where, Err: errors.New("it holds no key")}
	}
	var unknown *StartError
	for _, k := range keys {
		kind, ok := keyType(k.text)
		if !ok {
			return &StartError{Step: KeyringUnreadable, Subject: where, Err: fmt.Errorf("the key of %s is none", k.user)}
		}
		if kind > keyAES {
			unknown = &StartError{Step: KeyTypeUnknown, Subject: where, Err: fmt.Errorf("the key of %s is of type %s", k.user, typeName(kind))}
		}
	}
	return unknown
}

// keysOf returns the keys that librados reads, and where from: the option key, the
// file of the option keyfile, or the first keyring that is there (ceph:
// src/auth/KeyRing.cc, from_ceph_context). Without one, where is "".
func keysOf(conn *rados.Conn, user string) (where string, keys []userKey) {
	if key := option(conn, "key"); key != "" {
		return "the option key", []userKey{{user, key}}
	}
	if path := option(conn, "keyfile"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", nil
		}
		return path, []userKey{{user, strings.TrimSpace(string(text))}}
	}
	for _, path := range keyringPaths(conn) {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", nil
		}
		return path, parseKeyring(string(text))
	}
	return "", nil
}

// parseKeyring returns the keys of a keyring file: "[client.NAME]" and, below it,
// "key = BASE64".
func parseKeyring(text string) []userKey {
	var keys []userKey
	user := "nobody"
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			user = strings.Trim(line, "[] \t")
		}
		if name, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(name) == "key" {
			keys = append(keys, userKey{user, strings.Trim(value, " \t\"")})
		}
	}
	return keys
}

// keyType returns the type of a key: in base64, little-endian, the type, the time
// in seconds and nanoseconds, the length of the secret, and the secret (ceph:
// src/auth/Crypto.cc, CryptoKey::encode).
func keyType(text string) (kind uint16, ok bool) {
	const head = 2 + 4 + 4 + 2
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) < head || len(raw) != head+int(binary.LittleEndian.Uint16(raw[head-2:])) {
		return 0, false
	}
	return binary.LittleEndian.Uint16(raw), true
}

// typeName is the name that Ceph gives a type of keys.
func typeName(kind uint16) string {
	if kind == 2 {
		return "aes256k"
	}
	return fmt.Sprint(kind)
}

// keyringPaths are the files that may hold the user's key; librados takes the first
// that is there.
func keyringPaths(conn *rados.Conn) []string {
	return strings.FieldsFunc(option(conn, "keyring"), func(r rune) bool { return strings.ContainsRune(",; \t", r) })
}
