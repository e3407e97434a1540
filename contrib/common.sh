# Shared by the scripts of this folder. Sourced from a script that has set `top` to the tree;
# leaves the caller in $top.
set -eu
. "$top/contrib/packages.sh"
cd "$top"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
	bold='' plain=''
fi
say() { printf '%s\n' "${bold}== $*${plain}"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# quietly LOG COMMAND...: output goes to the log; its end is shown when the command fails
quietly() {
	log=$1
	shift
	if ! "$@" >>"$log" 2>&1; then
		tail -n 40 "$log" >&2
		die "failed: $* (all of it: $log)"
	fi
}

# install LOG PURPOSE...: says what, and shows apt's own words only when it fails
install() {
	log=$1
	shift
	if command -v dpkg-query >/dev/null 2>&1; then
		absent=$(packages_missing "$@")
		[ -n "$absent" ] || return 0
		echo "installing" $absent
		quietly "$log" packages_install "$@"
	else
		packages_install "$@"
	fi
}

# configure_in FOLDER OPTION...: once, and again when the options are not those of last time
configure_in() {
	folder=$1
	shift
	[ -x configure ] || autoreconf -i
	mkdir -p "$folder"
	if [ ! -x "$folder/config.status" ] || [ "$(cat "$folder/configured-with" 2>/dev/null)" != "$*" ]
	then
		rm -f "$folder/configured-with"
		(cd "$folder" && "$top/configure" --quiet "$@")
		printf '%s\n' "$*" >"$folder/configured-with"
	fi
}

jobs=$(nproc 2>/dev/null || echo 2)
