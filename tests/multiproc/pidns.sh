#!/bin/sh
# Two members in PID namespaces of their own, both with pid 1 and equal thread ids, killed at random
# and started again: what they hold together never exceeds the limit, and nothing is left held.
. "$(dirname "$0")/lib.sh"
unshare -pf --mount-proc true 2>/dev/null || {
	echo "PID namespaces are not permitted here"
	exit 77
}
kills=$(sized 20 200)
limit=8
start_server

# member A|B: a new process in a new namespace, with jobs that bear its number
number=0
member() {
	number=$((number + 1))
	many 20000 "/msg?delay=30&p=$number&" >"$folder/jobs.$1"
	store=$RATION_STORE
	[ "${GUARDED_STORE:-}" = apart ] && store=$folder/apart.$1
	unshare -pf --mount-proc --kill-child=KILL -- "$ration" run -q --store "$store" \
		--concurrency $limit --breaker off "$folder/jobs.$1" \
		>"$folder/out.$number" 2>"$folder/err.$number" &
	pids="$pids $!"
	eval "outer_$1=$! number_$1=$number"
}
sends() {
	[ -s "$folder/out.$number" ]
}
# strike A|B: kills the process within the namespace, not its keeper
strike() {
	eval "outer=\$outer_$1 struck=\$number_$1"
	inner=$(cat "/proc/$outer/task/$outer/children")
	echo "$struck $(now_ns)" >>"$folder/kills"
	# shellcheck disable=SC2086
	kill -9 $inner
	wait "$outer"
}

: >"$folder/kills"
member A
until_true "A sends" sends
member B
until_true "B sends" sends
is "both have pid 1" '1 1' "$(for outer in "$outer_A" "$outer_B"; do
	awk '/^NSpid:/ { print $NF }' "/proc/$(tr -d ' ' <"/proc/$outer/task/$outer/children")/status"
done | paste -sd ' ')"
i=0
while [ $i -lt "$kills" ]; do
	i=$((i + 1))
	set -- "$(awk -v seed="$$$i" 'BEGIN { srand(seed); printf "%.3f %s", 0.02 + rand() / 4,
		rand() < 0.5 ? "A" : "B" }')"
	sleep "${1% *}"
	strike "${1#* }"
	member "${1#* }"
	until_true "a new one sends" sends
done
strike A
strike B
server_quiet

# What the killed had on the wire is the server's alone: not counted from the kill on. The clock of
# the kills has hundredths, rounded down.
jq -s -c --rawfile kills "$folder/kills" '
	($kills | split("\n") | map(select(length > 0) | split(" ") | {key: .[0],
		value: (.[1] | tonumber)}) | from_entries) as $at |
	map(. + {p: (.query | capture("p=(?<p>[0-9]+)").p), end: (.mono + .dur_ms * 1e6)}) |
	map(select(.aborted)) as $lost |
	{requests: length, lost: ($lost | length), worst: (map(.mono as $now | .in_flight -
		([$lost[] | select($at[.p] <= $now and .end > $now)] | length)) | max)}' \
	"$log" >"$folder/figures"
say "$kills kills: $(cat "$folder/figures")"
most "held at once" $limit "$(jq .worst "$folder/figures")"
least "held at once" $limit "$(jq .worst "$folder/figures")"
many 3 /status/204 >"$folder/jobs"
started last "$folder/jobs" --concurrency $limit --breaker off
ended last $pid 0
in_flight() {
	"$ration" status --json | jq '[.services[].concurrency.in_flight] | add'
}
is "nothing is left held" 0 "$(in_flight)"
is "no member is left, but for the one that looks" 1 \
	"$("$ration" status --json | jq '[.members[] | select(.alive)] | length')"
finish
