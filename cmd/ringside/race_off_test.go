//go:build !race

package main

const (
	// mostConnections is how many connections a program under test may have.
	mostConnections = 10_000
	// connectionCost is the memory that a connection may cost, in bytes.
	connectionCost = 64 << 10
)
