package fs

import (
	"strings"
	"syscall"
	"testing"
)

func TestNamesBothWays(t *testing.T) {
	for _, c := range []struct{ image, file string }{
		{"vm1", "vm1"},
		{"a/b", "a%2Fb"},
		{"/", "%2F"},
		{"a%2Fb", "a%252Fb"},
		{"a%252Fb", "a%25252Fb"},
		{"a%2fb", "a%2fb"},
		{"Windows%2010.iso", "Windows%2010.iso"},
		{"100%25", "100%25"},
		{"%25", "%25"},
		{"100%", "100%"},
		{"%2", "%2"},
		{"%/", "%%2F"},
		{"%25/", "%25%2F"},
		{"%2/", "%2%2F"},
		{"%%2F2F", "%%252F2F"},
		{"%%41", "%%41"},
		{"%25%2F", "%25%252F"},
		{"%G1", "%G1"},
		{".", "%2E"},
		{"..", "%2E."},
		{"...", "..."},
		{".snap", "%2Esnap"},
		{".trash", "%2Etrash"},
		{".group", "%2Egroup"},
		{"%2Esnap", "%252Esnap"},
		{"%252Esnap", "%25252Esnap"},
		{"%2Esnaps", "%2Esnaps"},
		{"a%2Esnap", "a%2Esnap"},
		{"%2E", "%252E"},
		{"%2E.", "%252E."},
		{"%2E%2E", "%2E%2E"},
		{"%00", "%00"},
		{"vm1%40monday", "vm1%40monday"},
		{".snaps", ".snaps"},
		{".Snap", ".Snap"},
		{"./x", ".%2Fx"},
		{"vm1@monday", "vm1@monday"},
		{"new\nline\x7f", "new\nline\x7f"},
		{"\xff\xfe", "\xff\xfe"},
		{"größe", "größe"},
		{strings.Repeat("x", 255), strings.Repeat("x", 255)},
		{strings.Repeat("/", 85), strings.Repeat("%2F", 85)},
	} {
		if file, ok := fileName(c.image); file != c.file || !ok {
			t.Errorf("fileName(%q) = %q, %v, want %q", c.image, file, ok, c.file)
		}
		if image, errno := imageName(c.file); image != c.image || errno != 0 {
			t.Errorf("imageName(%q) = %q, %v, want %q", c.file, image, errno, c.image)
		}
	}
}

func TestImagesWithoutAFileName(t *testing.T) {
	for _, image := range []string{
		"", "a\x00b", strings.Repeat("x", 256), strings.Repeat("/", 86), strings.Repeat("%2F", 52),
	} {
		if file, ok := fileName(image); ok {
			t.Errorf("fileName(%q) = %q, want none", image, file)
		}
		if creatable(image) {
			t.Errorf("creatable(%q), want not", image)
		}
	}
}

func TestFileNamesOfNoImage(t *testing.T) {
	for _, c := range []struct {
		file             string
		lookup, creation syscall.Errno
	}{
		{"", syscall.ENOENT, syscall.EINVAL},
		{".", syscall.ENOENT, syscall.EINVAL},
		{"..", syscall.ENOENT, syscall.EINVAL},
		{".snap", syscall.ENOENT, syscall.EINVAL},
		{".trash", syscall.ENOENT, syscall.EINVAL},
		{".group", syscall.ENOENT, syscall.EINVAL},
		{"a/b", syscall.ENOENT, syscall.EINVAL},
		{"a\x00b", syscall.ENOENT, syscall.EINVAL},
		{strings.Repeat("x", 256), syscall.ENAMETOOLONG, syscall.ENAMETOOLONG},
		{"vm1@monday", 0, syscall.EINVAL}, // made by librbd; not to be made by us
	} {
		if image, errno := imageName(c.file); errno != c.lookup {
			t.Errorf("imageName(%q) = %q, %v, want %v", c.file, image, errno, c.lookup)
		}
		if image, errno := newImageName(c.file); errno != c.creation {
			t.Errorf("newImageName(%q) = %q, %v, want %v", c.file, image, errno, c.creation)
		}
	}
	if image, errno := newImageName("a%2Fb"); errno != syscall.EINVAL {
		t.Errorf(`newImageName("a%%2Fb") = %q, %v, want "a/b"`, image, errno)
	}
}

// FuzzNames takes a string as an image's name and as a file's, and goes round
// from both; one way back for each is what makes the mapping one to one.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{
		"vm1", "a/b", "a%2Fb", "a%2fb", "%25", "%252525", "%%%2", ".", "..", ".snap", "%2Esnap", "%2E", "%/%2/",
		"%252525252F", "%25%252F2F", "%2%252F", "%252E.", "Windows%2010.iso",
		"a@b", "\x00", "%00", "\xff%FF\n", strings.Repeat("/", 86), strings.Repeat("x", 255), strings.Repeat("%25", 90),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if file, ok := fileName(s); ok {
			if file == "" || len(file) > nameMax || strings.ContainsAny(file, "/\x00") || reserved(file) {
				t.Fatalf("fileName(%q) = %q, which no file can have", s, file)
			}
			if image, errno := imageName(file); image != s || errno != 0 {
				t.Fatalf("fileName(%q) = %q, but imageName(%q) = %q, %v", s, file, file, image, errno)
			}
		}
		image, errno := imageName(s)
		if possible := s != "" && len(s) <= nameMax && !strings.ContainsAny(s, "/\x00") && !reserved(s); possible != (errno == 0) {
			t.Fatalf("imageName(%q) = %q, %v", s, image, errno)
		}
		if _, errno := newImageName(s); errno == syscall.EINVAL && !strings.ContainsAny(image, "@/") && image != "" {
			t.Fatalf("a file %q cannot be made, for an image %q", s, image)
		}
		if errno == 0 {
			if file, ok := fileName(image); file != s || !ok {
				t.Fatalf("imageName(%q) = %q, but fileName(%q) = %q, %v", s, image, image, file, ok)
			}
		}
	})
}

// Every name of a few bytes that matter goes round, as an image's and as a file's.
func TestEveryShortName(t *testing.T) {
	const bytes = "%25FE/."
	var walk func(s string, more int)
	files := map[string]string{}
	walk = func(s string, more int) {
		if file, ok := fileName(s); ok {
			if other, taken := files[file]; taken {
				t.Fatalf("%q is the file of %q and %q", file, other, s)
			}
			files[file] = s
			if image, errno := imageName(file); image != s || errno != 0 {
				t.Fatalf("fileName(%q) = %q, but imageName of that is %q, %v", s, file, image, errno)
			}
		}
		if image, errno := imageName(s); errno == 0 {
			if file, ok := fileName(image); file != s || !ok {
				t.Fatalf("imageName(%q) = %q, but fileName of that is %q, %v", s, image, file, ok)
			}
		} else if s != "" && !strings.Contains(s, "/") && !reserved(s) {
			t.Fatalf("imageName(%q) is %v", s, errno)
		}
		for i := range len(bytes) * min(more, 1) {
			walk(s+bytes[i:i+1], more-1)
		}
	}
	walk("", 6)
	clear(files)
	walk("%2525", 4)
}
