//go:build race

package main

const (
	// mostConnections is less here: the race detector knows 8,128 goroutines at most, and a connection has one.
	mostConnections = 4000
	// connectionCost is the memory that a connection may cost, in bytes. The detector keeps books of it.
	connectionCost = 256 << 10
)
