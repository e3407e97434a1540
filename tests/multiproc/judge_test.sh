#!/bin/sh
# The judge of the multi-process tests is judged itself, by logs whose verdict is known.
set -u
judge=${RATION_BUILD:-.}/tests/multiproc/judge
folder=$(mktemp -d) || exit 99
trap 'rm -rf "$folder"' EXIT
log=$folder/log
failed=0

# request MILLISECONDS [IN_FLIGHT [COST]]: one more line of the log, 1,000 s after boot
request() {
	awk -v ms="$1" -v in_flight="${2:-1}" -v cost="${3:-}" 'BEGIN {
		printf "{\"t\":1.0,\"mono\":%.0f,\"n\":1,\"path\":\"/\\\"mono\\\":7,\",", 1e12 + ms * 1e6
		printf "\"in_flight\":%d,\"peak\":9,\"conn\":1%s}\n", in_flight, cost == "" ? "" : ",\"cost\":" cost
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

# Sums over windows: a request is in a window of 1 s until, and not at, a second later.
: >"$log"
for line in '0 1 40' '400 1 50.5' '1000 1 9' '999 1 9.5' '1400 1 70' '3000 1 1'; do
	# shellcheck disable=SC2086
	request $line
done
expect 0 '*100 of 100 in 0.999000 s (requests 1 to 3 of 6)*' sum cost "$log" 100 1 0
expect 1 '*100 of 99.5 in*' sum cost "$log" 99.5 1 0
expect 1 '*139 of 138 in 1.000000 s (requests 2 to 5 of 6)*' sum cost "$log" 138 1.0001 0
expect 0 '*139 of 139 in*' sum cost "$log" 139 1.0001 0
expect 0 '*100 of 100 *' sum cost "$log" 100 1.0001 0.0001
expect 0 '*: 3 of 3 in*' sum requests "$log" 3 1 0
expect 1 '*: 3 of 2 in*' sum requests "$log" 2 1 0
# 180 in three whole seconds; the request at 3 s is in none of them
: >"$log"
for line in '0 1 50' '999 1 40' '1000 1 0' '2999 1 90' '3000 1 99' '3500 1 99'; do
	# shellcheck disable=SC2086
	request $line
done
expect 0 'used: 180 of 300 in 3 windows, 0.6000' used cost "$log" 100 1 0.6
expect 1 'used: 180 of 300 *' used cost "$log" 100 1 0.61
expect 0 'used: 4 of 6 in *' used requests "$log" 2 1 0.66
expect 2 '*shorter than a window*' used cost "$log" 100 4 0.5
# Silence from 1,001 s on
expect 0 '0 requests within 1.998 s, 3 before, 3 after, the first after 1.999000 s' \
	silence "$log" 1001000000001 1.998
expect 1 '1 requests within 1.998 s, 2 before*' silence "$log" 1001000000000 1.998
expect 1 '2 requests within 2.000 s*' silence "$log" 1001000000001 2
expect 0 '0 requests within 9.000 s, 6 before, 0 after' silence "$log" 1009000000000 9

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
expect 2 'Usage*' sum "$log" 1 1 0
expect 2 'Usage*' sum tokens "$log" 1 1 0
expect 2 'Usage*' used cost "$log" 1 1
expect 2 'Usage*' silence "$log" 1
: >"$log"
expect 2 '*no request*' sum cost "$log" 1 1 0
expect 2 '*no request*' used requests "$log" 1 1 0
request 1
expect 2 '*log:1: no whole line*' sum cost "$log" 1 1 0
expect 2 'Usage*'
[ $failed -eq 0 ] && echo ok
exit $failed
