#!/bin/sh
# Makes sure that programs are installed:  scripts/need.sh NEED...
# Only asks whether they are:              scripts/need.sh --have NEED...
#
#   go        Go, to build with
#   postgres  PostgreSQL's server programs, found as the program itself finds them
#   redis     redis-server
#   cc        the C compiler that Go would use, for its race detector
#   node      npm, which gets what the dashboard's pages use
#   chromium  Chromium or Chrome, for the tests of the dashboard; CHROME_BIN may name one
#
# What is there is left alone: then this needs neither root nor a network. What is missing is
# installed with apt-get, by root or by a user whom sudo asks for no password; anywhere else, one
# line says what to install. No service is started and no database cluster made for it: Ringside
# and its tests start the servers that they use.
#
# shellcheck disable=SC2086 # lists of words are kept in variables
set -eu

complain() {
	echo "$*" >&2
	exit 1
}

has() {
	case $1 in
	go) command -v go >/dev/null ;;
	redis) command -v redis-server >/dev/null ;;
	node) command -v node >/dev/null && command -v npm >/dev/null ;;
	chromium)
		for browser in "${CHROME_BIN:-}" chromium chromium-browser google-chrome google-chrome-stable; do
			[ -n "$browser" ] && command -v "$browser" >/dev/null && return
		done
		return 1
		;;
	cc) command -v go >/dev/null && command -v "$(go env CC | cut -d' ' -f1)" >/dev/null ;;
	postgres)
		if [ -n "${PG_BIN:-}" ]; then
			if [ ! -x "$PG_BIN/postgres" ] || [ ! -x "$PG_BIN/initdb" ]; then
				complain "PG_BIN is $PG_BIN, which has no postgres and initdb: correct it or unset it."
			fi
			return 0
		fi
		for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
			/opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
			[ -x "$dir/postgres" ] && [ -x "$dir/initdb" ] && return
		done
		command -v postgres >/dev/null && command -v initdb >/dev/null
		;;
	*) complain "need.sh: unknown need: $1" ;;
	esac
}

# describe NEED prints what to install where there is no apt-get.
describe() {
	case $1 in
	go) echo "Go 1.26 or newer (https://go.dev/dl)" ;;
	postgres) echo "PostgreSQL's server programs, 14 or newer (Fedora: dnf install postgresql-server; macOS: brew install postgresql)" ;;
	redis) echo "redis-server (Fedora: dnf install redis; macOS: brew install redis)" ;;
	node) echo "Node.js with npm (Fedora: dnf install nodejs-npm; macOS: brew install node)" ;;
	chromium) echo "Chromium or Chrome (Fedora: dnf install chromium), or name one in CHROME_BIN" ;;
	cc) echo "a C compiler (Fedora: dnf install gcc)" ;;
	esac
}

package() {
	case $1 in
	postgres) echo postgresql ;;
	redis) echo redis-server ;;
	cc) echo gcc libc6-dev ;;
	node) echo nodejs npm ;;
	chromium) echo chromium ;;
	esac
}

missing() {
	for need in "$@"; do
		has "$need" || echo "$need"
	done
}

# install runs as root. Another copy of this script may be doing the same: the second waits, and
# then finds nothing missing.
install() {
	exec 9>/var/lock/ringside-need.lock
	flock 9
	packages=
	for need in $(missing "$@"); do
		packages="$packages $(package "$need")"
	done
	[ -n "$packages" ] || return 0

	# Debian's packages start what they install, on ports that may be taken, and make a database
	# cluster. Both are declined for as long as this takes; an answer that is there already stays.
	policy=/usr/sbin/policy-rc.d
	cluster=/etc/postgresql-common/createcluster.d/ringside-need.conf
	trap 'rm -f "$cluster" ${our_policy:-}' EXIT
	trap 'exit 1' HUP INT TERM
	if [ ! -e "$policy" ]; then
		our_policy=$policy
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	mkdir -p "$(dirname "$cluster")"
	echo "create_main_cluster = false" >"$cluster"

	echo "Installing:$packages" >&2
	export DEBIAN_FRONTEND=noninteractive
	wait='DPkg::Lock::Timeout=300' # another apt may be at work
	apt-get -q -o "$wait" update >&2 ||
		echo "apt-get update failed; trying with the lists that are here" >&2
	apt-get -q -o "$wait" install -y --no-install-recommends $packages >&2 ||
		complain "apt-get could not install:$packages. Install them yourself, then run this again."
}

if [ "${1:-}" = --install ]; then
	shift
	install "$@"
	exit
fi

if [ "${1:-}" = --have ]; then
	shift
	[ -z "$(missing "$@")" ]
	exit
fi

lacking=$(missing "$@")
[ -n "$lacking" ] || exit 0

can_install=yes
command -v apt-get >/dev/null && command -v flock >/dev/null || can_install=
for need in $lacking; do
	[ -n "$(package "$need")" ] || can_install=
done
if [ -n "$can_install" ]; then
	if [ "$(id -u)" = 0 ]; then
		"$0" --install $lacking
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo -n "$0" --install $lacking
	else
		for need in $lacking; do
			packages="${packages:-} $(package "$need")"
		done
		complain "Missing:$packages. Install them with: sudo apt-get install$packages"
	fi
	lacking=$(missing "$@")
	[ -n "$lacking" ] || exit 0
	complain "Installed, but still not found:" $lacking
fi
for need in $lacking; do
	echo "Missing: $(describe "$need"). Install it, then run this again." >&2
done
exit 1
