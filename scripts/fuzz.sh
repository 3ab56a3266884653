#!/bin/sh
# Runs every fuzz test for a while:  scripts/fuzz.sh 10s
# What it finds is written beside the test, under testdata/fuzz, and is to be committed.
set -eu
go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./... | while read -r dir; do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | while read -r name; do
		echo "$name in $dir"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$1" "$dir" </dev/null
	done
done
