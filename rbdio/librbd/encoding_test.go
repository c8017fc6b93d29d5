package librbd

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"testing"
	"time"

	"rbdfs/rbdio"
)

// encodedMap is what object_map_load answers for these states, with a footer of
// n bytes.
func encodedMap(states []byte, footer int) []byte {
	header := append([]byte{1, 1, 8, 0, 0, 0}, new(encoder).u64(uint64(len(states))).b...)
	e := new(encoder).str(string(header))
	bits := make([]byte, (len(states)+3)/4)
	for i, s := range states {
		bits[i/4] |= s << (6 - 2*(i%4))
	}
	e.b = append(e.b, bits...)
	return e.str(string(make([]byte, footer))).b
}

func TestObjectMap(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		states           []byte
		size, objectSize uint64
		striped          bool
		want             uint64
		ok               bool
	}{
		{nil, 0, 4 * mib, false, 0, true},
		{[]byte{1}, 4 * mib, 4 * mib, false, 4 * mib, true},
		{[]byte{0, 1, 2, 3, 0, 0, 1}, 28 * mib, 4 * mib, false, 16 * mib, true},
		{[]byte{0, 1, 2, 3, 0, 0, 1}, 24*mib + 5, 4 * mib, false, 12*mib + 5, true},
		{[]byte{0, 1, 2, 3, 0, 0, 0}, 24*mib + 5, 4 * mib, false, 12 * mib, true},
		{[]byte{1, 1, 1, 1}, mib, 4 * mib, true, mib, true},
		{[]byte{1, 1, 1, 1}, 5 * mib, 4 * mib, false, 5 * mib, true}, // just shrunk
		{[]byte{1, 1}, 9 * mib, 4 * mib, false, 0, false},            // too short
		{bytes.Repeat([]byte{0, 0, 0, 0, 1}, 100), 500 * mib, mib, false, 100 * mib, true},
	} {
		for _, footer := range []int{0, 8} {
			m, err := decodeObjectMap(encodedMap(test.states, footer))
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := m.allocated(test.size, test.objectSize, test.striped); got != test.want || ok != test.ok {
				t.Errorf("%v, %d bytes: %d, %v; want %d, %v", test.states, test.size, got, ok, test.want, test.ok)
			}
		}
	}
}

// Anything that is not exactly as known is refused.
func TestObjectMapRefused(t *testing.T) {
	good := encodedMap([]byte{1, 2, 3, 0, 1}, 8)
	for n := range good {
		if _, err := decodeObjectMap(good[:n]); err == nil {
			t.Errorf("%d bytes of %d are good", n, len(good))
		}
	}
	if _, err := decodeObjectMap(append(bytes.Clone(good), 0)); err == nil {
		t.Error("a byte more is good")
	}
	newer := bytes.Clone(good)
	newer[4], newer[5] = 2, 2 // version and the least that reads it
	if _, err := decodeObjectMap(newer); err == nil {
		t.Error("an encoding that needs a newer reader is good")
	}
	newer[5] = 1
	if _, err := decodeObjectMap(newer); err != nil {
		t.Errorf("a newer encoding that we may read: %v", err)
	}
	huge := bytes.Clone(good)
	binary.LittleEndian.PutUint64(huge[10:], 1<<63)
	if _, err := decodeObjectMap(huge); err == nil {
		t.Error("a map of 2^63 objects is good")
	}
}

func FuzzObjectMap(f *testing.F) {
	f.Add(encodedMap([]byte{1, 2, 3, 0, 1}, 0), uint64(17<<20), uint8(22), false)
	f.Add(encodedMap(nil, 8), uint64(0), uint8(12), true)
	f.Fuzz(func(t *testing.T, b []byte, size uint64, order uint8, striped bool) {
		m, err := decodeObjectMap(b)
		if err != nil {
			return
		}
		if n, ok := m.allocated(size, 1<<(order%26), striped); ok && n > size {
			t.Errorf("%d of %d bytes are allocated", n, size)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{22, 0, 0, 0, 0, 0, 0, 0, 0}, []byte("\x01\x00\x00\x00\x06\x00\x00\x00rbdfs.\x00\x00\x00\x00"))
	f.Fuzz(func(_ *testing.T, a, b []byte) {
		steps := make([]step, 8)
		for i := range steps {
			steps[i].out = [][]byte{a, b}[i%2]
		}
		if h, ok := decodeHeader(steps); ok {
			_ = h.info("id")
		}
	})
}

func TestEncodings(t *testing.T) {
	at := time.Unix(1700000000, 123456789)
	m := map[string]string{"a": "1", "rbdfs.mode": "0600", "": ""}
	e := new(encoder).utime(at).strings(m).utime(time.Unix(-5, 1)).utime(time.Unix(1<<33, 0))
	d := &decoder{b: e.b}
	if got := d.utime(); !got.Equal(at) {
		t.Error(got)
	}
	if got := d.strings(); !maps.Equal(got, m) {
		t.Error(got)
	}
	if got := d.utime(); !got.Equal(time.Unix(0, 1)) {
		t.Error(got)
	}
	if got := d.utime(); !got.Equal(time.Unix(1<<32-1, 0)) {
		t.Error(got)
	}
	if d.err != nil || len(d.b) != 0 {
		t.Error(d.err, hex.EncodeToString(d.b))
	}
	if got := d.utime(); !got.IsZero() || d.err == nil {
		t.Error(got)
	}
}

func TestTimes(t *testing.T) {
	for _, at := range []time.Time{time.Unix(0, 0), time.Unix(1700000000, 1), time.Unix(-3, 999999999)} {
		if got, ok := parseTime(formatTime(at)); !ok || !got.Equal(at) {
			t.Errorf("%v: %q is %v, %v", at, formatTime(at), got, ok)
		}
	}
	for _, s := range []string{"", "1", "x.000000000", "1.5", "1.-00000005", "1.0000000000", "99999999999999999999.000000000"} {
		if got, ok := parseTime(s); ok {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func TestMarks(t *testing.T) {
	at := time.Unix(1000, 0)
	for mark, want := range map[string]rbdio.Claim{
		"": rbdio.ClaimNone, "x": rbdio.ClaimNone, "1000": rbdio.ClaimOurs, "999": rbdio.ClaimNone, "1001": rbdio.ClaimNone,
		"moving 1000": rbdio.ClaimOurs, "moving 941": rbdio.ClaimOurs, "moving 939": rbdio.ClaimNone, "moving 1001": rbdio.ClaimNone,
		"moving": rbdio.ClaimNone, "purge 1000": rbdio.ClaimNow, "purge 999": rbdio.ClaimNone, "purge moving 1000": rbdio.ClaimNone,
	} {
		if got := claimOf(mark, at); got != want {
			t.Errorf("%q: %d, want %d", mark, got, want)
		}
	}
}

func TestEarlyArgs(t *testing.T) {
	for words, want := range map[string]earlyArgs{
		"":                                     {},
		"--id x":                               {id: "x"},
		"--id=x --debug-ms 1 -c /a":            {id: "x", conf: "/a"},
		"-n client.y --cluster=z":              {name: "client.y", cluster: "z"},
		"--user u --conf=/b -m 1.2.3.4":        {id: "u", conf: "/b"},
		"--id":                                 {},
		"--keyring k --name=client.n -i later": {name: "client.n", id: "later"},
	} {
		if got := parseEarlyArgs(words); got != want {
			t.Errorf("%q: %+v, want %+v", words, got, want)
		}
	}
}

func TestFeatureNames(t *testing.T) {
	for _, set := range []uint64{0, 61, featureJournaling, featureNonPrimary | featureStriping} {
		names := namesOf(set, featureNames[:])
		got, err := featureBits(names)
		if err != nil || got != set {
			t.Errorf("%x: %v, %x, %v", set, names, got, err)
		}
	}
	if names := namesOf(1<<40, featureNames[:]); len(names) != 1 || names[0] != "bit 40" {
		t.Error(names)
	}
}

func TestZeroesStep(t *testing.T) {
	const layout = 4 << 20
	for _, test := range []struct{ off, length, layout, want uint64 }{
		{0, 5, layout, 5},
		{0, 1 << 30, layout, 1 << 30},
		{0, 1<<30 + 1, layout, 1 << 30},
		{5, 2 << 30, layout, 1<<30 - 5},
		{layout - 1, 2 << 30, layout, 1<<30 - layout + 1},
		{0, 4 << 30, 3 << 30, 1 << 30}, // a period longer than one call
	} {
		if got := zeroesStep(test.off, test.length, test.layout); got != test.want {
			t.Errorf("%+v: %d", test, got)
		}
	}
	for off, length := uint64(777), uint64(100<<30); length > 0; {
		n := zeroesStep(off, length, layout)
		if n == 0 || n > 1<<30 || n > length {
			t.Fatalf("step of %d at %d, %d to go", n, off, length)
		}
		off, length = off+n, length-n
	}
}
