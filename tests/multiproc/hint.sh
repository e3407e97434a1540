#!/bin/sh
# One process is told to wait: by Retry-After on a 429 or a 503, by RateLimit fields on a 200, by
# X-RateLimit ones. Then no request of any process reaches the server until that time is over, but
# for what was on the wire; and then they go on.
. "$(dirname "$0")/lib.sh"
stop=$(sized 2 5)
start_server

configure <<END
version: 1
services:
$(for heard in retry-after ratelimit x-ratelimit; do
	echo "  $heard:"
	echo "    uris: [$url]"
	echo "    server_hints: [$heard]"
	echo "    breaker: off"
	echo "    concurrency: 50"
	echo "    retry: {throttled_attempts: 1, attempts: 1}"
	echo "    limits: {requests: {rate: 200/s, burst: 20}}"
done)
END
awk 'BEGIN { for (i = 1; i <= 50000; i++) print "/status/204?stream&job=" i }' >"$folder/jobs"

# told NAME PATH SERVICE: a fifth process makes the one request whose answer says it; the service
# listens to nothing else
told() {
	fresh
	all=
	for i in 1 2 3 4; do
		started $i "$folder/jobs" -c "$config" -s "$3"
		all="$all $pid"
	done
	until_true "$1: all send" eval '[ -s "$folder/out.1" ] && [ -s "$folder/out.2" ] &&
		[ -s "$folder/out.3" ] && [ -s "$folder/out.4" ]'
	echo "$2" >"$folder/one"
	started one "$folder/one" -c "$config" -s "$3"
	ended one $pid '[01]'
	sleep $((stop + 1))
	# shellcheck disable=SC2086
	slay $all
	server_quiet
	# From when the answer was there; 50 ms for the fleet to hear of it.
	answered=$(jq -s 'map(select(.query | test("^stream") | not))[0] |
		.mono + .dur_ms * 1e6 | floor' "$log")
	holds "$1: silence" "$judge" silence "$log" "$(awk -v t="$answered" \
		'BEGIN { printf "%.0f", t + 5e7 }')" "$(awk -v s="$stop" 'BEGIN { print s - 0.05 }')"
	after=$(jq -s --argjson t "$answered" --argjson s "$stop" \
		'map(select(.mono >= $t + $s * 1e9)) | length' "$log")
	least "$1: they go on" 50 "$after"
	# No flood when the time is over. How exact the rate is, rate.sh judges.
	holds "$1: window" "$judge" window "$log" 200 20 0.25
}

told "429 with Retry-After" "/status/429?retry_after=$stop" retry-after
told "503 with Retry-After" "/status/503?retry_after=$stop" retry-after
told "RateLimit, nothing remaining" "/status/200?ratelimit=100,0,$stop" ratelimit
told "X-RateLimit, nothing remaining" "/status/200?ratelimit=100,0,$stop" x-ratelimit
finish
