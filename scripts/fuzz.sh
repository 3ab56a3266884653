#!/bin/sh
# Runs every fuzz test for a while, one after the other, and prints what came of it:  scripts/fuzz.sh 10s
# What it finds is written beside the test, under testdata/fuzz, and is to be committed.
set -eu
log=$(mktemp)
trap 'rm -f "$log" "$log.one"' EXIT
go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}} {{.ImportPath}}{{end}}' ./... | while read -r dir package; do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | while read -r name; do
		echo "$name in $package"
		# A pipe would hide that it failed.
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$1" "$dir" >"$log.one" 2>&1 </dev/null || { cat "$log.one"; exit 1; }
		awk -v name="$name" -v package="${package#*/}" '
			/gathering baseline coverage: [0-9]+\/[0-9]+ completed/ { split($7, done, "/"); seeds = done[2] }
			/execs:/ { split($0, part, "execs: "); split(part[2], count, " "); execs = count[1] }
			/total:/ { split($0, part, "total: "); split(part[2], count, ")"); corpus = count[1] }
			/elapsed:/ { took = $3; sub(",", "", took) }
			END { printf "| `%s` | `%s` | %s | %s | %s |\n", name, package, corpus, execs, took }' "$log.one" | tee -a "$log"
	done || exit 1
done
printf '\n| fuzz test | in | inputs kept | inputs tried | time |\n| --- | --- | --- | --- | --- |\n'
cat "$log"
