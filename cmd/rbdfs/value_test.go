package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPoolSpec(t *testing.T) {
	for text, want := range map[string]poolSpec{
		"rbd":       {pool: "rbd"},
		"rbd/ns1":   {pool: "rbd", namespace: "ns1"},
		"my.pool-1": {pool: "my.pool-1"},
		"ü/é":       {pool: "ü", namespace: "é"},
	} {
		var p poolSpec
		if err := p.UnmarshalText([]byte(text)); err != nil || p != want {
			t.Errorf("%q: %+v, %v; want %+v", text, p, err, want)
		}
		if p.String() != text {
			t.Errorf("%q is shown as %q", text, p.String())
		}
	}
	for _, text := range []string{"", "/", "/ns", "rbd/", "rbd/ns/img", "rbd//", "rbd/ns@s", "rbd@s", "rbd\n", "rbd/\x00"} {
		var p poolSpec
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %+v", text, p)
		}
	}
}

func FuzzPoolSpec(f *testing.F) {
	for _, seed := range []string{"rbd", "rbd/ns", "/", "a/b/c", "a@b", "\x00", "é", "%2F", " "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p poolSpec
		if p.UnmarshalText([]byte(text)) != nil {
			return
		}
		if p.String() != text || p.pool == "" || strings.ContainsAny(p.pool+p.namespace, "/@\n") {
			t.Errorf("%q gives %+v", text, p)
		}
	})
}

func TestFileMode(t *testing.T) {
	for text, want := range map[string]fileMode{
		"0600": 0o600, "600": 0o600, "0o640": 0o640, "0": 0, "0777": 0o777, "00007": 0o7,
	} {
		var m fileMode
		if err := m.UnmarshalText([]byte(text)); err != nil || m != want {
			t.Errorf("%q: %o, %v; want %o", text, m, err, want)
		}
	}
	for _, text := range []string{"", "0o", "8", "1777", "4755", "-1", "+7", "0x7", "u=rw", "7_7", " 7", "77777777777777777777777"} {
		var m fileMode
		if err := m.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %o", text, m)
		}
	}
}

func FuzzFileMode(f *testing.F) {
	for _, seed := range []string{"0600", "0o7", "9", "-7", "777777777777"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var m fileMode
		if m.UnmarshalText([]byte(text)) == nil && (m > maxMode || strings.Trim(strings.TrimPrefix(text, "0o"), "01234567") != "") {
			t.Errorf("%q is taken as %o", text, m)
		}
	})
}

func TestObjectSize(t *testing.T) {
	for text, want := range map[string]objectSize{
		"4K": 4096, "4096": 4096, "4096B": 4096, "4M": 4 << 20, "4Mi": 4 << 20, "4MiB": 4 << 20, "32M": 32 << 20, "32768K": 32 << 20,
	} {
		var o objectSize
		if err := o.UnmarshalText([]byte(text)); err != nil || o != want {
			t.Errorf("%q: %d, %v; want %d", text, o, err, want)
		}
	}
	for _, text := range []string{"", "0", "2K", "64M", "5M", "4MB", "4T", "-4M", "4.0M", "999999999999999G", "M", "4 M", "4m"} {
		var o objectSize
		if err := o.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %d", text, o)
		}
	}
}

func FuzzObjectSize(f *testing.F) {
	for _, seed := range []string{"4K", "4MiB", "999999999999999G", "1B", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var o objectSize
		if o.UnmarshalText([]byte(text)) == nil && (o < minObjectSize || o > maxObjectSize || o&(o-1) != 0) {
			t.Errorf("%q is taken as %d", text, o)
		}
	})
}

func TestFeatures(t *testing.T) {
	var f features
	if err := f.UnmarshalText([]byte("layering, exclusive-lock,object-map,fast-diff,layering")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f, ","); got != "layering,exclusive-lock,object-map,fast-diff" {
		t.Errorf("features are %q", got)
	}
	for _, text := range []string{"", "layering,", "Layering", "data-pool", "object-map", "exclusive-lock,fast-diff", "journaling"} {
		if err := new(features).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestCephOption(t *testing.T) {
	for text, want := range map[string]cephOption{
		"rbd_cache=false":      {"rbd_cache", "false"},
		"rbd cache = false":    {"rbd_cache", " false"},
		"rbd-cache=":           {"rbd_cache", ""},
		"mon_host=a:1=b,c;d e": {"mon_host", "a:1=b,c;d e"},
	} {
		var o cephOption
		if err := o.UnmarshalText([]byte(text)); err != nil || o != want {
			t.Errorf("%q: %+v, %v; want %+v", text, o, err, want)
		}
	}
	for _, text := range []string{"", "=x", "rbd_cache", " =x"} {
		if err := new(cephOption).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzSentence(f *testing.F) {
	f.Add("a\nb")
	f.Add("é\r\n\x00")
	f.Fuzz(func(t *testing.T, text string) {
		line := sentence(failf(exitInternal, "%s", text))
		if strings.ContainsAny(line, "\n\r") || utf8.ValidString(text) && !utf8.ValidString(line) {
			t.Errorf("%q", line)
		}
	})
}
