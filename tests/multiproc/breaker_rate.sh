#!/bin/sh
# A breaker by rates counts the calls of all processes: each alone makes too few to be judged, all
# together make enough. Half-open lets as many probes through as are set, in the whole fleet, and
# judges them together.
. "$(dirname "$0")/lib.sh"
start_server

configure <<END
version: 1
services:
  rates:
    uris: [$url]
    retry: {attempts: 1, throttled_attempts: 1}
    breaker: {failure_rate: 50%, window: 20, min_calls: 20, open_for: 2s, probes: 4}
  slow:
    uris: [$url]
    retry: {attempts: 1, throttled_attempts: 1}
    breaker: {slow_rate: 50%, slow_after: 1s, window: 20, min_calls: 20, open_for: 60s}
END
breaker() {
	"$ration" status -c "$config" --json |
		jq -r ".services[] | select(.name==\"$1\").breaker.state"
}
# repeat N TARGET
repeat() {
	awk -v n="$1" -v at="$2" 'BEGIN { for (i = 0; i < n; i++) print at }'
}
# fleet SERVICE CODE-PATTERN: jobs.1 to jobs.4, each by a process
fleet() {
	all=
	for i in 1 2 3 4; do
		started $i "$folder/jobs.$i" -q -c "$config" -s "$1"
		all="$all $pid"
	done
	i=0
	for one in $all; do
		i=$((i + 1))
		ended $i "$one" "$2"
	done
	server_quiet
}
# trip: the twentieth call of the fleet makes it ten failures of twenty
trip() {
	fresh
	for i in 1 2 3 4; do
		repeat $((2 + i % 2)) /status/500 >"$folder/jobs.$i"
		repeat $((3 - i % 2)) /status/204 >>"$folder/jobs.$i"
	done
	fleet rates 1
	holds "calls" "$judge" count "$log" 20
	is "$1: ten failures of twenty" open "$(breaker rates)"
}

# ---- by failures ----
for i in 1 2 3 4; do
	repeat 2 /status/500 >"$folder/jobs.$i"
	repeat 3 /status/204 >>"$folder/jobs.$i"
done
fleet rates 1
is "eight failures of twenty" closed "$(breaker rates)"
trip "refused"
repeat 3 /status/204 >"$folder/more"
started refused "$folder/more" -q -c "$config" -s rates --no-wait
ended refused $pid 1
is "refused" '\["DENIED_BREAKER"\]' "$(results 'map(.error.code)|unique' refused)"
server_quiet
holds "calls" "$judge" count "$log" 20

# ---- half-open: four probes of sixteen that wait, two of them fail: open again, for all ----
# probes FAILURES: the first answers of those that come now
probes() {
	curl -s -X POST "$url/fail/count/$1" >/dev/null
	repeat 4 '/msg?delay=500' >"$folder/more"
	for i in 1 2 3 4; do cp "$folder/more" "$folder/jobs.$i"; done
	fleet rates '[01]'
	jq -s -c 'sort_by(.mono) | .[20:] | {
		first_at_once: (.[0:4] | map(.in_flight) | max),
		probes_end: (.[0:4] | map(.mono + .dur_ms * 1e6) | max),
		fifth: .[4].mono, at_last: (map(.in_flight) | max),
		failed: (map(select(.status == 500)) | length), calls: length}' "$log" \
		>"$folder/figures"
	is "calls" 16 "$(jq .calls "$folder/figures")"
	is "failed" "$1" "$(jq .failed "$folder/figures")"
	pause_s=$(jq '(.fifth - .probes_end) / 1e9' "$folder/figures")
	say "$1 of 4 probes fail: the fifth call $pause_s s after the last of them, then" \
		"$(jq .at_last "$folder/figures") at once"
	most "probes at once" 4 "$(jq .first_at_once "$folder/figures")"
}
trip "probes"
probes 2
least "open again for its time" 1.9 "$pause_s"
trip "probes"
probes 1
least "the fifth only when all four were judged" 0 "$pause_s"
timely most "closed at once" 1 "$pause_s"
is "closed" closed "$(breaker rates)"

# ---- by slow calls ----
fresh
for i in 1 2 3 4; do
	repeat $((2 + i % 2)) '/msg?delay=1500' >"$folder/jobs.$i"
	repeat $((3 - i % 2)) /status/204 >>"$folder/jobs.$i"
done
fleet slow 0
holds "calls" "$judge" count "$log" 20
is "ten slow ones of twenty" open "$(breaker slow)"
finish
