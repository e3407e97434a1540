#!/bin/sh
# One budget of retries for the whole fleet: when the server fails everything, four processes
# together retry as often as 500 tokens pay for, 35 times at 14 each, and no job more; 100 times at 5
# each when it throttles. What succeeds fills it again, and a retry that succeeds costs nothing.
. "$(dirname "$0")/lib.sh"
each=$(sized 60 1000)
start_server

configure <<END
version: 1
services:
  api:
    uris: [$url]
    breaker: off
    retry:
      attempts: 100
      throttled_attempts: 100
      backoff: {first: 10ms, max: 50ms}
      throttle: {first: 10ms, max: 50ms}
      budget: 500
END

# fleet JOBS TARGET CODE: each of four processes makes so many; sets sent
fleet() {
	before=$(stat requests)
	awk -v n="$1" -v at="$2" 'BEGIN { for (i = 1; i <= n; i++) print at "?job=" i }' \
		>"$folder/jobs"
	all=
	for i in 1 2 3 4; do
		started $i "$folder/jobs" -q -c "$config"
		all="$all $pid"
	done
	i=0
	for one in $all; do
		i=$((i + 1))
		ended $i "$one" "$3"
	done
	server_quiet
	sent=$(($(stat requests) - before))
}
budget() {
	"$ration" status -c "$config" --json |
		jq -c '.services[] | select(.name=="api").budget | [.capacity, .remaining]'
}
refused() {
	results 'map(select(.error.message // "" | test("the retry budget is spent"))) | length' \
		1 2 3 4
}

# ---- all of it fails: 35 retries in all, whoever makes them ----
fleet "$each" /status/500 1
say "500 for all: $((4 * each)) jobs, $((sent - 4 * each)) retries"
is "requests" $((4 * each + 35)) $sent
is "left" '\[500,10\]' "$(budget)"
is "each job ended by the budget" $((4 * each)) "$(refused)"
fleet "$each" /status/500 1
is "none is left: not one retry" $((4 * each)) $sent

# ---- successes fill it: one token each ----
fleet 15 /status/204 0
is "after 60 successes" '\[500,70\]' "$(budget)"
fleet "$each" /status/503 1
say "60 successes later, 503 for all: $((sent - 4 * each)) retries"
is "requests: 14 retries of 5 tokens" $((4 * each + 14)) $sent
is "left" '\[500,0\]' "$(budget)"

# ---- throttled by all: 100 retries ----
fresh
fleet "$each" /status/429 1
say "429 for all: $((4 * each)) jobs, $((sent - 4 * each)) retries"
is "requests" $((4 * each + 100)) $sent
is "left" '\[500,0\]' "$(budget)"

# ---- retries that succeed give back what they cost: more than 35 in all ----
fresh
for round in 1 2 3; do
	curl -s -X POST "$url/fail/count/30" >/dev/null
	fleet 50 /status/204 0
	is "round $round: requests" 230 $sent
done
say "90 requests failed, each was sent again: nobody's job failed"
finish
