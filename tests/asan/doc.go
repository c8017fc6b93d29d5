// Package asan runs the real program, built with AddressSanitizer (go build -asan), on
// a real cluster: its C code, and what Go frees of C's memory. The sanitizer ends the
// daemon at the first wrong use, so that the test that runs then fails, and tells the
// log why.
package asan
