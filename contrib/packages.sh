# What this project needs of Debian 12, one list for each purpose, and one way to install it.
# Sourced by quickstart.sh, check.sh, bench.sh and .ci/run; POSIX sh, and only programs that the
# smallest Debian has.

# packages_of PURPOSE: names of packages
packages_of() {
	case $1 in
	build) # building and running; scdoc for the manual pages
		echo autoconf automake libtool make gcc libc6-dev pkgconf \
			libcurl4-openssl-dev libjansson-dev libyaml-dev libxxhash-dev liblmdb-dev \
			libmicrohttpd-dev ca-certificates tzdata scdoc
		;;
	test) # the suites; g++ for the headers' check; servers that speak TLS and HTTP/2
		echo libcriterion-dev g++ binutils curl jq nginx-light nghttp2-server openssl
		;;
	bench)
		echo nginx-light openssl
		;;
	ci) # make distcheck, the clean root, the formatter
		echo xz-utils debootstrap clang-format
		;;
	*)
		echo "packages_of: no such purpose: $1" >&2
		return 1
		;;
	esac
}

# packages_missing PURPOSE...: those that are not installed
packages_missing() {
	wanted=$(for purpose; do packages_of "$purpose" || exit 1; done) || return 1
	# shellcheck disable=SC2086
	installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
		sed -n 's/ installed$//p')
	for package in $wanted; do
		printf '%s\n' "$installed" | grep -qxF "$package" || echo "$package"
	done
}

# Services that a package brings must not start because somebody builds a library.
# shellcheck disable=SC2016
packages_script='
	set -e
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		trap "rm -f $policy" EXIT
		printf "#!/bin/sh\nexit 101\n" >$policy
		chmod 755 $policy
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q -o DPkg::Lock::Timeout=300 update
	apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
'

# packages_install PURPOSE...: installs what is missing; no network when nothing is
packages_install() {
	if ! command -v dpkg-query >/dev/null 2>&1; then
		echo "This is not Debian: install by hand what matches these packages of Debian 12:"
		for purpose; do packages_of "$purpose"; done
		return 0 # configure says what is missing
	fi
	missing=$(packages_missing "$@") || return 1
	[ -n "$missing" ] || return 0
	missing=$(echo $missing)
	if [ "$(id -u)" -eq 0 ]; then
		# shellcheck disable=SC2086
		sh -c "$packages_script" packages $missing
	elif command -v sudo >/dev/null 2>&1; then
		# shellcheck disable=SC2086
		sudo sh -c "$packages_script" packages $missing
	else
		echo "Neither root nor sudo. As root: apt-get install --no-install-recommends $missing" >&2
		return 1
	fi
}
