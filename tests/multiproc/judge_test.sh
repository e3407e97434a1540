#!/bin/sh
# The judge of the multi-process tests is judged itself, by logs whose verdict is known.
set -u
judge=${RATION_BUILD:-.}/tests/multiproc/judge
folder=$(mktemp -d) || exit 99
trap 'rm -rf "$folder"' EXIT
log=$folder/log
failed=0

# request MILLISECONDS [IN_FLIGHT]: one more line of the log, 1,000 s after boot
request() {
	awk -v ms="$1" -v in_flight="${2:-1}" 'BEGIN {
		printf "{\"t\":1.0,\"mono\":%.0f,\"n\":1,\"path\":\"/\\\"mono\\\":7,\",", 1e12 + ms * 1e6
		printf "\"in_flight\":%d,\"peak\":9,\"conn\":1}\n", in_flight
	}' >>"$log"
}

# expect STATUS OUTPUT-PATTERN judge's arguments...
expect() {
	status=$1 pattern=$2
	shift 2
	output=$("$judge" "$@" 2>&1)
	got=$?
	if [ $got -ne "$status" ]; then
		echo "not ok: judge $*: exit $got, not $status: $output"
		failed=1
	fi
	case $output in
	$pattern) ;;
	*)
		echo "not ok: judge $*: '$output' is not '$pattern'"
		failed=1
		;;
	esac
}

# A burst of 3 and then one each 100 ms is exactly 10/s with burst 3; the log is out of order.
: >"$log"
for ms in 300 0 0 100 0 200 400 500; do request $ms; done
expect 0 '*excess 0.000*' window "$log" 10 3 0
expect 1 '*excess 1.000*' window "$log" 10 2 0
expect 1 '*8 requests in 0.500000 s, allowed 7.500, excess 0.500*' window "$log" 9 3 0
expect 0 '*excess -0.400*' window "$log" 9 3 0.1
expect 0 8 count "$log"
expect 0 8 count "$log" 8
expect 1 8 count "$log" 9
expect 1 8 count "$log" 7
expect 0 0.500000 span "$log"
expect 0 0.500000 span "$log" 0.5
expect 1 0.500000 span "$log" 0.49

# One too many, late and short: the whole log is within the mean, the window is not.
: >"$log"
i=0
while [ $i -lt 50 ]; do request $((i * 100)); i=$((i + 1)); done
expect 0 '*excess 0.000*' window "$log" 10 1 0
request 7000
request 7050
request 7099
expect 1 '*3 requests in 0.099000 s, allowed 1.990, excess 1.010 (requests 51 to 53 of 53)' \
	window "$log" 10 1 0
expect 0 '*' window "$log" 10 1 0.11
# Two at the same instant
: >"$log"
request 5 3
request 5 20
request 6 4
expect 1 '*' window "$log" 100 1 0
expect 0 '*' window "$log" 100 2 0.01
expect 0 20 peak "$log"
expect 0 20 peak "$log" 20
expect 1 20 peak "$log" 19

# What cannot be judged never passes.
: >"$log"
expect 0 0 count "$log"
expect 2 '*no request*' window "$log" 1 1 0
expect 2 '*no request*' peak "$log"
expect 2 '*no request*' span "$log"
request 1
printf '{"mono":5' >>"$log"
expect 2 '*log:2: no whole line*' count "$log"
printf '\n' >>"$log"
expect 2 '*log:2: no whole line*' count "$log"
expect 2 '*' count "$folder/absent"
expect 2 'Usage*' window "$log" 1 1
expect 2 'Usage*' window "$log" 1 x 0
expect 2 'Usage*' count "$log" 1 2
expect 2 'Usage*' guess "$log"
expect 2 'Usage*'
[ $failed -eq 0 ] && echo ok
exit $failed
