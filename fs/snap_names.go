package fs

import (
	"slices"
	"sync"
)

// mostGiven bounds the names that a directory remembers of its file.
const mostGiven = 16

// givenNames are the names that a directory has given its file, the last one last.
// A program that has read a name can open it, although the image was renamed since.
type givenNames struct {
	mu    sync.Mutex // guards names
	names []string
}

// add makes a name the last one, and returns it.
func (g *givenNames) add(name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.names); n > 0 && g.names[n-1] == name {
		return name
	}
	g.names = append(slices.DeleteFunc(g.names, func(old string) bool { return old == name }), name)
	g.names = g.names[max(0, len(g.names)-mostGiven):]
	return name
}

// has tells whether a name was given.
func (g *givenNames) has(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Contains(g.names, name)
}

// last returns the last name, "" for none.
func (g *givenNames) last() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.names); n > 0 {
		return g.names[n-1]
	}
	return ""
}
