package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"sync"
)

// clusterEnv is set where there is a cluster for tests.
const clusterEnv = "RBDFS_TEST_CLUSTER"

func main() {
	only := flag.String("only", "", "regular expression: the mutations to try")
	all := flag.Bool("all", false, "run every test of the package, and name all that fail")
	jobs := flag.Int("jobs", 2, "how many to try at once")
	flag.Parse()
	good, err := try(regexp.MustCompile(*only), *jobs, *all)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// try tries the mutations whose names match, and tells whether every one that was
// run was killed.
func try(only *regexp.Regexp, jobs int, all bool) (good bool, err error) {
	trees := make(chan *tree, jobs)
	for range jobs {
		t, err := newTree()
		if err != nil {
			return false, err
		}
		defer t.remove()
		trees <- t
	}
	good = true
	var mu sync.Mutex // guards good and the output
	var wg sync.WaitGroup
	for _, m := range mutations {
		if !only.MatchString(m.name) {
			continue
		}
		t := <-trees
		wg.Go(func() {
			verdict := judge(t, m, all)
			trees <- t
			mu.Lock()
			defer mu.Unlock()
			good = good && verdict.good
			fmt.Printf("%-26s %-62s %s\n", m.name, m.promise, verdict.text)
		})
	}
	wg.Wait()
	return good, nil
}

// verdict is what came of a mutation.
type verdict struct {
	good bool
	text string
}

// judge runs the test of a mutation, without it and then with it.
func judge(t *tree, m mutation, all bool) verdict {
	if m.cluster && os.Getenv(clusterEnv) == "" {
		return verdict{true, "not run: it needs a cluster (" + m.test + ")"}
	}
	if !all {
		if r := t.test(m, false); r.err != nil {
			return verdict{false, fmt.Sprintf("%s fails without it: %v\n%s", m.test, r.err, r.tail())}
		}
	}
	undo, err := t.apply(m)
	if err != nil {
		return verdict{false, "DOES NOT APPLY: " + err.Error()}
	}
	r := t.test(m, all)
	if err := undo(); err != nil {
		return verdict{false, err.Error()}
	}
	switch {
	case r.err == nil:
		return verdict{false, "SURVIVED " + m.test}
	case len(r.failed()) == 0:
		return verdict{false, "DOES NOT BUILD:\n" + r.tail()}
	}
	return verdict{true, "killed by " + r.names()}
}
