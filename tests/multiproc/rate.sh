#!/bin/sh
# One rate for four processes: at most burst + rate * (t + 0.05 s) requests in every window of
# length t. How much longer than ideal it takes is printed; only FULL=1 judges it.
. "$(dirname "$0")/lib.sh"
each=$(sized 250 1000)
ideal=$(awk -v n="$each" 'BEGIN { print (4 * n - 20) / 200 }')
start_server

many "$each" /status/204 >"$folder/jobs"
for i in 1 2 3 4; do
	started $i "$folder/jobs" --rate 200/s --burst 20
	eval "pid$i=$pid"
done
for i in 1 2 3 4; do eval "ended $i \$pid$i 0"; done
server_quiet
holds "requests" "$judge" count "$log" $((4 * each))
holds "window" "$judge" window "$log" 200 20 0.05
span=$("$judge" span "$log")
say "whole: $span s, ideal $ideal s, $(awk -v a="$span" -v b="$ideal" \
	'BEGIN { printf "%+.2f", 100 * (a / b - 1) }') %"
[ "$full" = 1 ] && holds "span, at most 5 % more" "$judge" span "$log" \
	"$(awk -v b="$ideal" 'BEGIN { print 1.05 * b }')"
finish
