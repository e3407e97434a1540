#!/bin/sh
# Concurrency 20 for four processes, two of them killed in full flight. The server never sees more
# than 20, but for those that the killed had on the wire: it answers them to nobody. The two that
# live use all 20 within 2 s.
. "$(dirname "$0")/lib.sh"
rounds=$(sized 2 10)
start_server

# Enough that nobody runs dry: 20 at a time, 100 ms each, is 200/s for all together.
many 20000 '/msg?delay=100' >"$folder/jobs"
one_round() {
	fresh
	for i in 1 2 3 4; do
		started $i "$folder/jobs" --concurrency 20 --breaker off
		eval "pid$i=$pid"
	done
	until_true "full flight" eval '[ $(lines "$log") -ge 200 ]'
	for i in 1 2 3 4; do least "process $i has its part" 1 "$(lines "$folder/out.$i")"; done
	killed_ns=$(now_ns)
	kill -9 "$pid1" "$pid2"
	sleep 3
	kill -9 "$pid3" "$pid4"
	wait "$pid1" "$pid2" "$pid3" "$pid4" 2>/dev/null
	server_quiet
	judge_round
}

# /proc/uptime has hundredths, rounded down: 10 ms are added, so that nothing counts as after the
# kill that was before. What the last two kills aborted is no concern of this test.
judge_round() {
	jq -s -c --argjson kill "$killed_ns" '
		($kill + 1e7) as $kill | sort_by(.mono) |
		map(. + {end: (.mono + .dur_ms * 1e6)}) as $all |
		($all | map(select(.aborted and .mono < $kill and .end < $kill + 2.5e9))) as $lost |
		{before: ($all | map(select(.mono < $kill).in_flight) | max),
		 after: ($all | map(select(.mono > $kill).in_flight) | max),
		 lost: ($lost | length),
		 full_again_s: ([$all[] | select(.mono > $kill) | .mono as $now |
			select(.in_flight - ([$lost[] | select(.end > $now)] | length) >= 20)] |
			if length > 0 then (.[0].mono - $kill) / 1e9 else null end),
		 last_second: ($all | map(select(.mono > $kill + 2e9 and .mono <= $kill + 3e9)) |
			length)}' "$log" >"$folder/figures"
	say "$(cat "$folder/figures")"
}
figure() {
	jq -r ".$1" "$folder/figures"
}

round=0
while [ $round -lt "$rounds" ]; do
	round=$((round + 1))
	one_round
	most "in flight before the kill" 20 "$(figure before)"
	least "in flight before the kill" 20 "$(figure before)"
	most "in flight after the kill, besides what the killed had on the wire" \
		$((20 + $(figure lost))) "$(figure after)"
	most "what the killed had on the wire" 20 "$(figure lost)"
	is "all 20 are used again" '[0-9]*' "$(figure full_again_s)"
	timely most "all 20 are used again after, in s" 2 "$(figure full_again_s)"
	timely least "requests in the third second, of 200" 150 "$(figure last_second)"
done
finish
