#!/bin/sh
# Limits that processes share, as seen by the server; waiting and --no-wait.
. "$(dirname "$0")/run_lib.sh"
start_server

# many N PATH: jobs
many() {
	i=0
	while [ $i -lt "$1" ]; do
		echo "$url$2"
		i=$((i + 1))
	done
}
fresh() {
	rm -rf "$RATION_STORE"
	: >"$log"
}
# four ARGUMENT...: four processes at once on the same jobs; results in out.1 to out.4
four() {
	for i in 1 2 3 4; do
		timeout -k 5 120 "$ration" run "$@" "$folder/jobs" >"$folder/out.$i" 2>"$folder/err.$i" &
		pids="$pids $!"
		eval "pid$i=$!"
	done
	codes=
	for i in 1 2 3 4; do
		eval "wait \$pid$i"
		codes="$codes $?"
	done
	cat "$folder"/out.[1-4] >"$folder/out"
	cat "$folder"/err.[1-4] >"$folder/err"
}

# observed: nothing is delayed, and in the end it is said how many would have been
fresh
many 5 /status/204 >"$folder/jobs"
cat >"$folder/observe.yaml" <<END
services:
  seen:
    uris: ["$url"]
    mode: observe
    limits: {calls: {rate: 1/h, burst: 2}}
END
"$ration" run -c "$folder/observe.yaml" "$folder/jobs" >"$folder/out" 2>"$folder/err"
is "observed: exit code" 0 $?
is "observed: results that say so" 3 "$(jq -s 'map(select(.mode == "observe")) | length' "$folder/out")"
is "observed: the summary counts them" 1 \
	"$(grep -c '5 ok; 5 requests sent; 3 only because limits are observed' "$folder/err")"

# one rate: never more than burst + rate * t since the start. Shorter windows, in which an admitted
# request may come late on a busy machine, are for tests/multiproc/rate.sh, which runs alone.
fresh
many 1 /status/204 >"$folder/jobs"
run 0 "before the start" run "$folder/jobs"
sent_is "before the start: request" 1
begin=$(jq .mono "$log")
fresh
many 50 /status/204 >"$folder/jobs"
four --rate 100/s --burst 10
is "one rate: exit codes" ' 0 0 0 0' "$codes"
sent_is "one rate: requests" 200
is "one rate: at most 10 + 100 * t since the start" 0 "$(jq -s --argjson begin "$begin" '
	[map((.mono - $begin) / 1e9) | sort | to_entries[] |
	select(.key + 1 > 10 + 100 * .value)] | length' "$log")"

# one quota, refused: exactly so many are sent, the others say which and when
fresh
many 30 /status/204 >"$folder/jobs"
four --quota 50/24h --no-wait
is "one quota: exit codes" ' [01] [01] [01] [01]' "$codes"
sent_is "one quota: requests" 50
out length 120
out 'map(select(.outcome=="ok"))|length' 50
out 'map(select(.error.code=="DENIED_QUOTA"))|length' 70
out 'map(select(.error.code=="DENIED_QUOTA" and (.error.message|test("quota.* frees in (1 d|2[34] h)"))))|length' 70

# one limit of concurrency
fresh
many 20 '/status/204?delay=100' >"$folder/jobs"
four --concurrency 5
sent_is "one concurrency: requests" 80
is "one concurrency: never more than 5" 5 "$(jq -s 'map(.in_flight)|max' "$log")"

# an open breaker: refused at once by --no-wait, in another process, nothing sent
fresh
many 3 /status/500 >"$folder/jobs"
run 1 "trip the breaker" run --breaker 3/60s --retries 0 --concurrency 1 "$folder/jobs"
sent_is "three failures" 3
many 2 /status/204 >"$folder/jobs"
run 1 "open breaker, --no-wait" run --breaker 3/60s --retries 0 --concurrency 1 --no-wait "$folder/jobs"
out 'map(.error.code)|unique' '\["DENIED_BREAKER"\]'
out 'map(select(.error.message|test("in ")))|length' 2
is "nothing was sent" 3 "$(sent)"
run 0 "status" status
is "status shows it" '*breaker*open, probed in*' "$(cat "$folder/out")"

# one that was sent and waited before is refused too, and has each wait once
fresh
echo "$url/status/500" >"$folder/jobs"
run 1 "refused on its second attempt" run --breaker 1/60s --retries 1 --no-wait \
	--set "services.\"$url\".breaker.counts=attempts" "$folder/jobs"
out 'map(.error.code)' '\["DENIED_BREAKER"\]'
is "waits for its turn" 1 "$(grep -o '"queue":' "$folder/out" | wc -l)"

# without it a batch waits until it closes
fresh
many 3 /status/500 >"$folder/jobs"
run 1 "trip a short breaker" run --breaker 3/1s --retries 0 --concurrency 1 "$folder/jobs"
many 2 /status/204 >"$folder/jobs"
run 0 "open breaker, waits" run --breaker 3/1s --retries 0 --concurrency 1 "$folder/jobs"
out 'map(.wait_ms.breaker > 100)|any' true

# a job that cannot be in time is refused now, not at its deadline
fresh
{
	echo "$url/status/204"
	echo "{\"url\":\"$url/status/204\",\"deadline\":\"20s\"}"
} >"$folder/jobs"
run 1 "cannot be in time" run --rate 1/h --burst 1 "$folder/jobs"
out 'map(select(.line==2))[0].error.code' '"DENIED_DEADLINE"'
# more key values than the store has room for: on_store_failure decides, and says so once
fresh
cat >"$folder/full.yaml" <<END
store: {hot_size: 1MiB}
services:
  seen:
    uris: ["$url"]
    on_store_failure: open
    limits: {calls: {rate: 1/h, burst: 1, per: [tenant]}}
END
seq 14000 | sed "s|.*|{\"url\":\"$url/status/204\",\"keys\":{\"tenant\":\"t&\"}}|" >"$folder/jobs"
timeout -k 5 60 "$ration" run -c "$folder/full.yaml" "$folder/jobs" >"$folder/out" 2>"$folder/err"
is "a full store, open: exit code" 0 $?
out 'map(select(.outcome=="ok"))|length' 14000
out 'map(select(.mode == "open"))|length > 1000' true
is "it is said once" 1 "$(grep -c 'is full: until there is room' "$folder/err")"
# whose own size is larger, which makes none larger
for look in 1 2; do
	run 0 "status of a full store" status --json
	out '.[0].store | [.full, .size_bytes, .used_bytes > 700000, .records > 8000]' \
		'\[true,1048576,true,true\]'
done
run 0 "status of a full store" status
is "how full it is" "store $RATION_STORE: * KiB of 1 MiB in use, *[0-9] records" \
	"$(head -n 1 "$folder/out")"
is "that it is full" '  hot/ is full: *on_store_failure decides; a larger store.hot_size *' \
	"$(sed -n 2p "$folder/out")"
sed -i 's/1MiB/4MiB/' "$folder/full.yaml"
sed -i 's/:"t/:"u/' "$folder/jobs"
timeout -k 5 60 "$ration" run -c "$folder/full.yaml" "$folder/jobs" >"$folder/out" 2>"$folder/err"
is "a larger one: exit code" 0 $?
out 'map(select(.outcome=="ok"))|length' 14000
is "it grows" 1 "$(grep -c 'made larger, 4 MiB' "$folder/err")"
run 0 "status of a store with room" status
is "it has room" "store * of 4 MiB in use, * records" "$(head -n 1 "$folder/out")"
is "nothing is full" 0 "$(grep -c 'is full' "$folder/out")"
finish
