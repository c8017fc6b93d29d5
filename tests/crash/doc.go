// Package crash ends daemons by SIGKILL and by signals, cuts them off from the
// cluster and fills their pool: what a program was told is safe must be there
// afterwards, and what is not must be an error.
package crash
