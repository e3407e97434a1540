#!/bin/sh
# Eight processes under one adaptive rate against a server that enforces 100/s (burst 100) with 429
# and Retry-After: what it lets through is at least 95 % of what it would let through in a minute, and
# after the first ten seconds at most 2 % of the requests are answered 429. The quick size is too
# short for the whole: there the first seconds, in which the rate grows from 50/s, are left out. (A
# minute that begins at 20/s has 2 % less, and so is above or below by the moment at which it ends:
# tests/unit/policy_adaptive_fleet.c looks at all of them.)
. "$(dirname "$0")/lib.sh"
rate=100
seconds=$(sized 16 60)
settled=$(sized 6 10)
judged=$(sized "$settled" 0)
start_server --limit $rate/s

configure <<END
version: 1
services:
  api:
    uris: [$url]
    breaker: off
    retry: {throttled_attempts: 1000}
    limits:
      learned: {initial: 50/s, min: 5/s, max: 400/s, step: 0.5/s, factor: 0.5}
END
awk 'BEGIN { for (i = 1; i <= 20000; i++) print "/status/204?job=" i }' >"$folder/jobs"
all=
for i in 1 2 3 4 5 6 7 8; do
	started $i "$folder/jobs" -c "$config"
	all="$all $pid"
done
until_true "the first request" eval '[ "$(stat requests)" -ge 1 ]'
sleep $((seconds + 1))
alive=0
for one in $all; do kill -0 "$one" && alive=$((alive + 1)); done
# shellcheck disable=SC2086
slay $all
server_quiet
is "all eight are alive" 8 $alive

# between FROM TO FILTER: how many requests so many seconds after the first
between() {
	jq -s "(map(.mono) | min) as \$t | map(select(.mono >= \$t + $1 * 1e9 and
		.mono < \$t + $2 * 1e9)) | map(select($3)) | length" "$log"
}
allowed=$(between "$judged" "$seconds" .allowed)
sent=$(between "$judged" "$seconds" true)
late_allowed=$(between "$settled" "$seconds" .allowed)
late_refused=$(between "$settled" "$seconds" '.allowed | not')
possible=$((rate * (seconds - judged)))
part() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.4f", (b > 0 ? a / b : 0) }'
}
say "second $judged to $seconds: sent $sent, allowed $allowed of $possible ($(part "$allowed" $possible)); after" \
	"$settled s: allowed $(part "$late_allowed" $((rate * (seconds - settled)))), refused" \
	"$(part "$late_refused" $((late_allowed + late_refused)))"
timely least "part of what the server allows" "$(sized 0.9 0.95)" "$(part "$allowed" $possible)"
# its burst is on top of the rate; what it refused was sent as well
most "sent, of what the server allows" 1.05 "$(part "$sent" $((possible + rate)))"
timely most "refused after the first seconds" "$(sized 0.04 0.02)" \
	"$(part "$late_refused" $((late_allowed + late_refused)))"
is "nobody's job failed" 0 "$(results 'map(select(.outcome!="ok"))|length' 1 2 3 4 5 6 7 8)"
for i in 1 2 3 4 5 6 7 8; do least "process $i sent" 1 "$(lines "$folder/out.$i")"; done
finish
