#!/bin/sh
# Builds everything and runs every test, after installing what is missing (Debian 12, as root or
# with sudo). Ends with 0 only when all passed, and when no sanitizer had anything to say: the
# test framework hides leaks, so their reports go to files that are counted here.
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/contrib/common.sh"

usage() {
	cat <<'END'
Usage: contrib/check.sh [--sanitizer LIST] [--werror] [--quick] [TEST...]

  --sanitizer LIST   build with address,undefined or thread, in a folder of its own; with thread
                     only the stress programs run, as the test framework cannot
  --werror           warnings are errors
  --quick            of the fleets in tests/multiproc, which take minutes, only one
  TEST...            only these, as tests/unit/test_store or tests/checks/layers.sh
END
}
folder=build sanitizer='' options='--enable-tests --enable-testserver' tests='' quick=''
while [ $# -gt 0 ]; do
	case $1 in
	--sanitizer)
		[ $# -ge 2 ] || {
			usage >&2
			exit 2
		}
		sanitizer=$2
		shift
		;;
	--sanitizer=*) sanitizer=${1#*=} ;;
	--werror) options="$options --enable-werror" ;;
	--quick) quick=1 ;;
	--help)
		usage
		exit 0
		;;
	-*)
		usage >&2
		exit 2
		;;
	*) tests="$tests $1" ;;
	esac
	shift
done

if [ -n "$sanitizer" ]; then
	folder=build-$(echo "$sanitizer" | tr ',' '-')
	options="$options --with-sanitizer=$sanitizer"
	export CFLAGS="${CFLAGS:--g -O1}" # the suites are mostly compiled, seldom run
fi
mkdir -p "$folder"
: >"$folder/install.log"
install "$folder/install.log" build test
# shellcheck disable=SC2086
configure_in "$folder" $options
cd "$folder"
make -j"$jobs"

# here nothing may be skipped because a program is missing; nginx stands where root looks
export RATION_CHECK_ALL=1
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

if [ -n "$sanitizer" ]; then
	reports=$PWD/reports
	rm -rf "$reports"
	mkdir "$reports"
	# with more than one job Criterion's runner loses 48 bytes of its own, now and then
	export CRITERION_JOBS=1
	export ASAN_OPTIONS="log_path=$reports/asan:detect_leaks=1:strict_string_checks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
	export UBSAN_OPTIONS="log_path=$reports/ubsan:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
	export TSAN_OPTIONS="log_path=$reports/tsan:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
fi
if [ -z "$tests" ]; then
	tests=$(make -s list-tests)
	[ "$sanitizer" != thread ] || tests=$(echo "$tests" | grep '^tests/stress/')
	[ -z "$quick" ] || tests=$(echo "$tests" |
		grep -v '^tests/multiproc/' && echo tests/multiproc/rate.sh)
fi
# shellcheck disable=SC2086
make -j"$jobs" $(for one in $tests; do case $one in *.sh) ;; *) echo "$one" ;; esac; done)
case $tests in
*.sh*) make -j"$jobs" check TESTS= ;; # what the scripts run
esac
status=0
# run JOBS TEST...
run() {
	at_once=$1
	shift
	[ $# -eq 0 ] || make -j"$at_once" VERBOSE=1 TESTS="$*" check-TESTS || status=1
}
# a fleet that shares its cores with other tests says little about fairness and speed
alone='^tests/multiproc/(adaptive|fair|fairness|hint|rate|two_limits)\.sh$'
# shellcheck disable=SC2046
run "$jobs" $(printf '%s\n' $tests | grep -Ev "$alone")
# shellcheck disable=SC2046
run 1 $(printf '%s\n' $tests | grep -E "$alone")

if [ -n "$sanitizer" ] && [ -n "$(ls "$reports")" ]; then
	head -n 60 "$reports"/*
	echo "check.sh: the sanitizer reported: see $folder/reports"
	status=1
fi
results=$(for one in $tests; do
	sed -n "s|^:global-test-result: \(.*\)|\1 $one|p" "${one%.sh}.trs" 2>/dev/null || :
done)
say "$(echo "$results" | grep -c '^PASS') of $(echo $tests | wc -w) passed"
echo "$results" | grep -v '^PASS' || [ $status -ne 0 ] || echo "all passed"
exit $status
