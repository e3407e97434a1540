#!/bin/sh
# One process trips the breaker for all: who does not wait is refused without sending, who waits
# waits; half-open admits one probe in the whole fleet; two successes close it.
. "$(dirname "$0")/lib.sh"
start_server

# trip: five failures in a row open it for two seconds; later closes after two successes
trip() {
	fresh
	set -- --breaker 5/2s --retries 0 --set "services.\"$url\".breaker.close_after=2"
	flags=$*
	many 5 /status/500 >"$folder/fail"
	started trip "$folder/fail" --concurrency 1 "$@"
	ended trip $pid 1
	server_quiet
	holds "failures" "$judge" count "$log" 5
}
# flagged NAME JOBS MORE...: with the same settings; the origin holds no blanks
flagged() {
	first=$1
	second=$2
	shift 2
	# shellcheck disable=SC2086
	started "$first" "$second" $flags --concurrency 1 "$@"
}
breaker() {
	"$ration" status --json | jq -r ".services[] | select(.name==\"$url\").breaker.state"
}

# ---- refused without sending; waiting waits ----
trip
is "status" open "$(breaker)"
many 2 /status/204 >"$folder/jobs"
flagged refused "$folder/jobs" --no-wait
refused=$pid
flagged waits "$folder/jobs"
waits=$pid
ended refused $refused 1
is "refused" '\["DENIED_BREAKER"\]' "$(results 'map(.error.code)|unique' refused)"
is "it says when" 2 "$(results 'map(select(.error.message|test("in ")))|length' refused)"
ended waits $waits 0
is "waited" true "$(results 'map(.wait_ms.breaker > 500)|any' waits)"
server_quiet
holds "requests" "$judge" count "$log" 7
gap=$(jq -s 'map(.mono)|sort|(.[5] - .[4]) / 1e9' "$log")
say "silence of an open breaker: $gap s"
least "silence" 1.9 "$gap"
is "closed after two successes" 'closed' "$(breaker)"

# ---- one probe in the whole fleet; each process has four jobs that could be one ----
trip
many 4 '/msg?delay=700' >"$folder/slow"
all=
for i in 1 2 3 4; do
	flagged $i "$folder/slow" --set "services.\"$url\".concurrency.max=10"
	all="$all $pid"
done
until_true "a probe" eval '[ "$(stat requests)" -ge 1 ] && [ "$(stat in_flight)" -ge 1 ]'
is "half-open" half-open "$(breaker)"
i=0
for one in $all; do
	i=$((i + 1))
	ended $i $one 0
done
server_quiet
holds "requests" "$judge" count "$log" 21
# The first probe and the second are alone; then it is closed, and many go at once.
jq -s -c 'sort_by(.mono) | .[5:] | .[0].mono as $t | map(.mono - $t | . / 1e6 | floor) as $at |
	{in_flight: map(.in_flight), at_ms: $at, second_after_first_ms:
	((.[1].mono - .[0].mono) / 1e6 - .[0].dur_ms), third_after_second_ms:
	((.[2].mono - .[1].mono) / 1e6 - .[1].dur_ms)}' "$log" >"$folder/figures"
say "probes: $(cat "$folder/figures")"
is "first and second are alone" '\[1,1\]' "$(jq -c '.in_flight[:2]' "$folder/figures")"
least "the second only when the first was answered" 0 \
	"$(jq .second_after_first_ms "$folder/figures")"
least "the third only when the second was answered" 0 \
	"$(jq .third_after_second_ms "$folder/figures")"
least "then many at once" 8 "$(jq '.in_flight|max' "$folder/figures")"

# ---- a probe that fails opens it again, for all ----
trip
curl -s -X POST "$url/fail/count/1" >/dev/null
many 2 /status/204 >"$folder/jobs"
flagged 1 "$folder/jobs"
one=$pid
flagged 2 "$folder/jobs"
two=$pid
ended 1 $one '[01]'
ended 2 $two '[01]'
is "of four jobs one failed" '\[1,3\]' "$(results \
	'[(map(select(.status==500))|length), (map(select(.outcome=="ok"))|length)]' 1 2)"
server_quiet
gap=$(jq -s 'map(.mono)|sort|(.[6] - .[5]) / 1e9' "$log")
say "silence after a probe that failed: $gap s"
least "silence" 1.9 "$gap"
finish
