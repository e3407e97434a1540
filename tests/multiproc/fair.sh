#!/bin/sh
# What is shared is shared fairly: permits between two processes of which one came later; a rate
# between forty, two of them slow to wake, at no more than 1.5 transactions a grant; and a job that
# costs the whole burst beside a stream of small ones.
. "$(dirname "$0")/lib.sh"
start_server

# by_process FROM-NS TO-NS: {"P": REQUESTS, ...} of what the log holds in between, ?p=P
by_process() {
	jq -s -c --argjson from "$1" --argjson to "$2" '
		map(select(.mono >= $from and .mono <= $to) | .query | capture("p=(?<p>[0-9]+)").p) |
		group_by(.) | map({key: .[0], value: length}) | from_entries' "$log"
}
first_ns() {
	jq -s "map(select(.query|test(\"p=$1&\")).mono)|min" "$log"
}

# ---- permits: the one that came later gets its part ----
many 100000 '/msg?delay=50&p=1' >"$folder/jobs.1"
many 100000 '/msg?delay=50&p=2' >"$folder/jobs.2"
started 1 "$folder/jobs.1" --concurrency 20
one=$pid
sleep 1
started 2 "$folder/jobs.2" --concurrency 20
two=$pid
sleep "$(sized 3 10)"
to=$(now_ns)
kill -9 "$one" "$two"
wait "$one" "$two" 2>/dev/null
server_quiet
from=$(first_ns 2)
by_process "$from" "$to" >"$folder/figures"
share=$(jq '.["2"] / (.["1"] + .["2"])' "$folder/figures")
say "permits: $(cat "$folder/figures"), the later one $share; $(awk -v n="$(jq add \
	"$folder/figures")" -v a="$from" -v b="$to" 'BEGIN { printf "%.0f", n / (b - a) * 1e9 }'
	)/s of 400/s"
least "share of the later one" 0.4 "$share"
most "share of the later one" 0.6 "$share"
holds "most in flight" "$judge" peak "$log" 20

# ---- a rate: forty processes, two of them stopped 60 ms of every 100 ms ----
fresh
n=40
awk -v n=$n -v at="$url/status/204?p=" -v to="$folder/rate." 'BEGIN { for (p = 1; p <= n; p++)
	for (i = 0; i < 3000; i++) print at p "&job=" i > (to p) }'
all=
p=0
while [ $p -lt $n ]; do
	p=$((p + 1))
	started $p "$folder/rate.$p" --rate 200/s --burst 20
	all="$all $pid"
	[ $p -gt 2 ] || eval "slow$p=$pid"
done
everybody_sends() {
	i=0
	while [ $i -lt $n ]; do
		i=$((i + 1))
		[ -s "$folder/out.$i" ] || return 1
	done
}
until_true "all forty send" everybody_sends
cycles=$(sized 60 300)
commits() {
	"$ration" status --json | jq .store.commits
}
from=$(now_ns)
before=$(commits)
i=0
while [ $i -lt "$cycles" ]; do
	i=$((i + 1))
	kill -STOP "$slow1" "$slow2"
	sleep 0.06
	kill -CONT "$slow1" "$slow2"
	sleep 0.04
done
after=$(commits)
to=$(now_ns)
# shellcheck disable=SC2086
kill -9 $all 2>/dev/null
# shellcheck disable=SC2086
wait $all 2>/dev/null
server_quiet
by_process "$from" "$to" >"$folder/figures"
grants=$(jq add "$folder/figures")
fair=$(awk -v a="$grants" -v n=$n 'BEGIN { print a / n }')
lowest=$(jq "[range(1; $n + 1) as \$p | .[\$p|tostring] // 0] | min" "$folder/figures")
per=$(awk -v a="$after" -v b="$before" -v g="$grants" 'BEGIN { printf "%.3f", (a - b) / g }')
say "rate: $grants grants, fair $fair each, least $lowest, slow ones" \
	"$(jq -c '[.["1"], .["2"]]' "$folder/figures"), commits a grant $per"
least "the least share" "$(awk -v f="$fair" 'BEGIN { print f / 2 }')" "$lowest"
most "commits a grant" 1.5 "$per"
timely least "the rate is used: grants a second" 180 \
	"$(awk -v g="$grants" -v a="$from" -v b="$to" 'BEGIN { print g / (b - a) * 1e9 }')"
# Forty on few cores are late to start what they were granted; from 100 ms on they must ask again.
holds "window" "$judge" window "$log" 200 20 0.1

# ---- a job whose cost is the whole burst ----
fresh
many 2000 '/status/204?p=1' >"$folder/jobs.1"
echo "{\"url\":\"$url/status/204?p=9&whole\",\"cost\":20}" >"$folder/jobs.9"
all=
for p in 1 2 3; do
	started $p "$folder/jobs.1" --rate 100/s --burst 20
	all="$all $pid"
done
until_true "a stream" eval '[ $(lines "$log") -ge 50 ]'
from=$(now_ns)
started 9 "$folder/jobs.9" --rate 100/s --burst 20
ended 9 $pid 0
whole=$(jq '.wait_ms | to_entries | map(.value) | add' "$folder/out.9")
# shellcheck disable=SC2086
kill -9 $all 2>/dev/null
# shellcheck disable=SC2086
wait $all 2>/dev/null
server_quiet
say "the whole burst waited $whole ms, beside a stream"
is "it was sent" 1 "$(grep -c '"query":"p=9&whole"' "$log")"
timely most "milliseconds until the whole burst went" 3000 "$whole"
finish
