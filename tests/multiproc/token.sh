#!/bin/sh
# A token rotated in the middle of a run: two processes send under a token from a file; the server,
# which reads the same file for each request, accepts no other. The file is renamed over again and
# again: no job fails, every job is answered once, and a 401 costs one more send, not a retry.
# Likewise with a file for each tenant. An id of the caller's names the same message twice (R12).
. "$(dirname "$0")/lib.sh"
each=$(sized 600 6000)
rotations=$(sized 6 40)
tokens=$folder/tokens
mkdir -p "$tokens"

# rotate TEXT: in place of the file, at once
rotate() {
	(umask 077 && printf '%s\n' "$1" >"$tokens/new") && mv "$tokens/new" "$tokens/acme"
}
rotate token-0
start_server --token-file "$tokens/acme"

configure <<END
version: 1
services:
  api:
    uris: [$url]
    breaker: off
    limits: {requests: {rate: $((each / 2))/s, burst: 1}}
    retry: {attempts: 1}
    auth: {bearer_file: $tokens/acme}
  tenants:
    uris: [$url]
    breaker: off
    retry: {attempts: 1}
    auth: {bearer_file: "$tokens/{tenant}"}
END

# job FIELDS TARGET COUNT
jobs() {
	awk -v n="$3" -v fields="$1" -v at="$2" 'BEGIN { for (i = 1; i <= n; i++)
		printf "{\"id\":\"%d\",%s,\"path\":\"%s?job=%d\"}\n", i, fields, at, i }'
}

# ---- without the file nothing is sent; with the wrong token all of it is refused ----
is "a request without the token" 401 "$(curl -s -o /dev/null -w '%{http_code}' "$url/msg")"

# ---- rotated under load ----
fresh
jobs '"service":"api"' /status/204 "$each" >"$folder/jobs"
started a "$folder/jobs" -q -c "$config"
a=$pid
started b "$folder/jobs" -q -c "$config"
b=$pid
i=0
while [ $i -lt "$rotations" ]; do
	i=$((i + 1))
	pause 0.4 0.8
	rotate "token-$i"
done
ended a "$a" 0
ended b "$b" 0
server_quiet
refused=$(jq -s 'map(select(.status == 401)) | length' "$log")
say "$((2 * each)) jobs, $rotations rotations, $refused refusals by the server"
is "answered" $((2 * each)) "$(jq -s 'map(select(.status == 204)) | length' "$log")"
is "results" $((2 * each)) "$(results 'map(select(.status == 204)) | length' a b)"
is "each job twice in all" "$each" "$(jq -s 'map(select(.status == 204) | .query) |
	group_by(.) | map(select(length == 2)) | length' "$log")"
least "a rotation was met by a request on its way" 1 "$refused"
is "the most sends of a job" '[12]' "$(results 'map(.attempts | length) | max' a b)"

# ---- a file for each tenant; who has none is refused without a send ----
fresh
{
	jobs '"service":"tenants","keys":{"tenant":"acme"}' /status/204 20
	jobs '"service":"tenants","keys":{"tenant":"nobody"}' /status/204 3
	jobs '"service":"tenants","keys":{"tenant":"../tokens/acme"}' /status/204 3
	jobs '"service":"tenants"' /status/204 3
} >"$folder/jobs"
started c "$folder/jobs" -q -c "$config"
ended c "$pid" 1
server_quiet
is "requests" 20 "$(stat requests)"
is "answered" 20 "$(results 'map(select(.status == 204)) | length' c)"
is "without a send" 9 "$(results 'map(select(.error.code == "EKEY" or .error.code == "ETOKEN")) | length' c)"

# ---- the token stands in no output ----
rotate "canary-$$"
started d "$folder/jobs" -c "$config"
wait "$pid"
is "told" 0 "$(cat "$folder"/out.* "$folder"/err.* "$log" | grep -c "canary-$$\|token-[0-9]")"
is "the store" 0 "$(cat "$RATION_STORE"/* 2>/dev/null | grep -ac "canary-$$")"
is "checked" 0 "$("$ration" check "$config" | grep -c "canary-$$")"

# ---- R12: sent twice under an id of the caller's own, it is the same message ----
jobs '"service":"api","headers":{"X-Request-ID":"mine"}' /msg 2 >"$folder/jobs"
jobs '"service":"api"' /msg 2 >>"$folder/jobs"
started e "$folder/jobs" -q -c "$config"
ended e "$pid" 0
is "messages" 3 "$(results 'map(.body.message_id // .json.message_id) | unique | length' e)"
finish
