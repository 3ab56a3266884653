#!/bin/sh
# Gets what the dashboard's pages use from the npm registry, by lock file, into the folders that are
# not committed: node_modules for tests, and what is embedded into internal/dashboard/assets/vendor.
# Where there is no npm and none can be installed, it says so, and pages work by forms alone.
# With CI set that is a failure.
set -eu
cd "$(dirname "$0")/.."
web=internal/dashboard/web
vendor=internal/dashboard/assets/vendor
stamp=$web/node_modules/.ringside-lock

without() {
	[ -z "${CI:-}" ] || { echo "$1" >&2; exit 1; }
	echo "$1 The dashboard is built without it: pages come without live updates." >&2
	exit 0
}
current() {
	[ -f "$stamp" ] && cmp -s "$stamp" "$web/package-lock.json" && [ -f $vendor/htmx.min.js ] && [ -f $vendor/sse.js ]
}
current && exit
[ -w "$web" ] || without "What the pages use cannot be installed: $(id -un) cannot write to this checkout."

# One at a time in a checkout: a test and a build may both begin with this.
if command -v flock >/dev/null; then
	exec 9>"$web/.lock"
	flock 9
fi
current && exit
scripts/need.sh node || without "There is no npm."
npm ci --prefix "$web" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || without "npm could not install what the pages use."
cp $web/node_modules/htmx.org/dist/htmx.min.js "$vendor/htmx.min.js"
cp $web/node_modules/htmx.org/LICENSE "$vendor/htmx.LICENSE"
cp $web/node_modules/htmx-ext-sse/dist/sse.min.js "$vendor/sse.js"
cp $web/node_modules/htmx-ext-sse/LICENSE "$vendor/sse.LICENSE"
cp "$web/package-lock.json" "$stamp"
