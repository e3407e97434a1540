#!/bin/sh
# A reused connection that dies before the first byte of the answer: a POST reaches the server once
# and is unknown, unless it has a key; a GET is made again, at once. libcurl by itself would send
# both again. The server resets every request on a connection but the first; its log is the judge.
. "$(dirname "$0")/lib.sh"
each=$(sized 100 2000)
start_server

# One at a time, so that a process has at most one idle connection. A backoff would be past the
# deadline: what is repeated is repeated without one.
configure <<END
version: 1
workers: {threads: 1}
services:
  api:
    uris: [$url]
    breaker: off
    concurrency: {max: 1}
    timeouts: {total: 5min, attempt: 60s}
    retry: {attempts: 2, backoff: {first: 1h, max: 1h, jitter: none}}
END

# jobs FIRST: GET, GET, POST, GET, POST with a key, and so on
jobs() {
	awk -v first="$1" -v n="$each" 'BEGIN { for (i = 0; i < n; i++) {
		post = i % 5 == 2 || i % 5 == 4
		key = i % 5 == 4 ? sprintf("\"idempotency_key\":\"k%d\",", first + i) : ""
		printf "{\"id\":\"%d\",\"service\":\"api\",\"method\":\"%s\",%s", first + i,
			post ? "POST" : "GET", key
		printf "\"path\":\"/reset-reused?job=%d\"}\n", first + i } }'
}
jobs 1 >"$folder/jobs.a"
jobs 100001 >"$folder/jobs.b"
fresh
started a "$folder/jobs.a" -q -c "$config"
a=$pid
started b "$folder/jobs.b" -q -c "$config"
b=$pid
ended a "$a" 1
ended b "$b" 1
server_quiet

# sent FILTER: how often each job of that kind reached the server, as a list of the numbers
sent() {
	jq -s -c "map(select($1)) | group_by(.query) | map(length) | unique" "$log"
}
posts='.method == "POST" and (.idempotency_key // "") == ""'
resets=$(jq -s "map(select(.aborted)) | length" "$log")
say "$((2 * each)) jobs, $(lines "$log") requests, $resets of them reset"
is "results" $((2 * each)) "$(results length a b)"
is "sends of a POST" '\[1\]' "$(sent "$posts")"
is "POSTs at the server" $((2 * each / 5)) "$(jq -s "map(select($posts)) | length" "$log")"
is "sends of a GET" '\[1,2\]' "$(sent '.method == "GET"')"
is "GETs that failed" 0 "$(results 'map(select(.outcome != "ok")) | map(.id | tonumber % 100000 % 5) |
	map(select(. != 3)) | length' a b)"
is "POSTs that failed otherwise than unknown" 0 \
	"$(results 'map(select(.outcome != "ok" and .error.code != "EUNKNOWN")) | length' a b)"
unknown=$(results 'map(select(.outcome == "unknown")) | length' a b)
is "unknown ones are those that were reset" "$unknown" \
	"$(jq -s "map(select(.aborted and $posts)) | length" "$log")"
least "POSTs that were reset" $((each / 5)) "$unknown"
least "GETs and keyed POSTs that were reset" $((each / 5)) $((resets - unknown))
finish
