package tools

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestListing looks at many images with what people list files with.
func TestListing(t *testing.T) {
	check(t)
	const count, large = 200, 20
	var paths []string
	for i := range count {
		paths = append(paths, img(t, fmt.Sprintf("many-%03d", i)))
	}
	quiet(t, append([]string{"touch"}, paths...)...)
	quiet(t, append(sh("truncate -s 12M"), paths[:large]...)...)
	write(t, paths[7], "data")
	if n := len(env.images(t)); n != count {
		t.Errorf("rbd ls: %d images", n)
	}
	dir := env.Mount.Dir
	for _, c := range []struct {
		want int
		argv []string
	}{
		{count, []string{"find", dir, "-type", "f"}},
		{large - 1, []string{"find", dir, "-type", "f", "-size", "12M"}},
		{count - large, []string{"find", dir, "-type", "f", "-size", "0"}},
		{count, []string{"ls", dir}},
		{count + 1, []string{"ls", "-ls", dir}},
		{count + 1, []string{"ls", "-lU", dir}},
		{count, append(sh("stat --format=%s"), paths...)},
	} {
		if got := strings.Count(run(t, c.argv...), "\n"); got != c.want {
			t.Errorf("%s: %d lines, should be %d", strings.Join(c.argv[:3], " "), got, c.want)
		}
	}
	wantDu(t, (large-1)*12<<20+4, 512)
	quiet(t, append([]string{"rm"}, paths...)...)
	if out := run(t, "ls", "-A", dir); out != "" {
		t.Errorf("ls behind rm: %s", out)
	}
}

// wantDu checks what du says of the mount, in bytes.
func wantDu(t *testing.T, size, used int) {
	t.Helper()
	for flag, want := range map[string]int{"--apparent-size": size, "--separate-dirs": used} {
		if got := run(t, "du", flag, "--block-size=1", env.Mount.Dir); !strings.HasPrefix(got, strconv.Itoa(want)+"\t") {
			t.Errorf("du %s: %s, should be %d", flag, got, want)
		}
	}
}

// TestDf compares df with ceph df.
func TestDf(t *testing.T) {
	check(t)
	var df struct {
		Pools []struct {
			Name  string
			Stats struct {
				Available float64 `json:"max_avail"`
				Stored    float64
			}
		}
	}
	out, err := env.Cluster.Ceph(t.Context(), "df", "--format=json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &df)
	}
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(run(t, "df", "--block-size=1", "--output=source,size,used,avail", env.Mount.Dir))
	if len(fields) < 4 || fields[len(fields)-4] != "rbd:"+env.Pool {
		t.Fatalf("df: %q", fields)
	}
	var numbers [3]float64 // size, used, available
	for i := range numbers {
		if numbers[i], err = strconv.ParseFloat(fields[len(fields)-3+i], 64); err != nil {
			t.Fatalf("df: %v: %q", err, fields)
		}
	}
	for _, p := range df.Pools {
		if p.Name != env.Pool {
			continue
		}
		// Other pools of the cluster fill up meanwhile.
		if a := p.Stats.Available; numbers[2] < a*0.9 || numbers[2] > a*1.1 || numbers[0] < numbers[2] || numbers[0] != numbers[1]+numbers[2] {
			t.Errorf("df: %q; ceph df: %+v", fields, p)
		}
		return
	}
	t.Errorf("ceph df does not have the pool: %s", out)
}

// TestDfShowsTheQuota of a pool that has one.
func TestDfShowsTheQuota(t *testing.T) {
	check(t)
	quota := func(bytes int) {
		t.Helper()
		if _, err := env.Cluster.Ceph(t.Context(), "osd", "pool", "set-quota", env.Pool, "max_bytes", strconv.Itoa(bytes)); err != nil {
			t.Fatal(err)
		}
	}
	size := func() string {
		lines := strings.Fields(run(t, "df", "--block-size=1M", "--output=avail", env.Mount.Dir))
		return lines[len(lines)-1]
	}
	quota(777 << 20)
	eventually(t, "df does not show the quota", func() bool {
		avail, err := strconv.Atoi(size())
		return err == nil && avail > 700 && avail <= 777
	})
	quota(0)
	eventually(t, "df still shows the quota", func() bool {
		avail, err := strconv.Atoi(size())
		return err == nil && avail > 777
	})
}
