#!/bin/sh
# Gets what the example runtime in Node uses from the npm registry, by lock file, without running any
# script of a package. Where there is no npm, the tests leave that example out; with CI set they fail.
set -eu
cd "$(dirname "$0")/../examples/node"
stamp=node_modules/.ringside-lock
current() { [ -f "$stamp" ] && cmp -s "$stamp" package-lock.json; }

current && exit
command -v npm >/dev/null && [ -w . ] || { echo "The example in Node is not tested: there is no npm, or this checkout cannot be written to." >&2; exit 0; }
# One at a time in a checkout.
if command -v flock >/dev/null; then
	exec 9>.lock
	flock 9
fi
current && exit
if npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2; then
	cp package-lock.json "$stamp"
else
	echo "The example in Node is not tested: npm could not install what it uses." >&2
fi
