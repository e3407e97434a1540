#!/bin/sh
# What `ration status` says of a service's nodes: which is not healthy, why, and for how long.
. "$(dirname "$0")/run_lib.sh"

start_server
one=$url
start_server
two=$url
server_two=${pids##* }
cat >"$folder/fleet.yaml" <<END
services:
  api:
    uris: ["$one", "$two/"]
    nodes: {strategy: round-robin}
    breaker: off
    retry: {attempts: 3, backoff: {first: 10ms, max: 10ms}}
END
send() { # WHAT RECOVER-AFTER PATH N
	i=0
	while [ $i -lt "$4" ]; do
		echo "{\"path\":\"$3\"}"
		i=$((i + 1))
	done >"$folder/jobs"
	timeout -k 5 60 "$ration" run -c "$folder/fleet.yaml" -q --concurrency 1 \
		--set "services.api.nodes.recover_after=$2" "$folder/jobs" \
		>"$folder/results" 2>"$folder/err"
	is "$1: exit code" 0 $?
}
look() { # WHAT: status in both forms
	run 0 "$1" status api
	mv "$folder/out" "$folder/table"
	run 0 "$1" status --json
}
line() { # of the table, of the node that is not there
	grep "^  node  *$two:" "$folder/table"
}
node='.[0].services[0].nodes[0]'

send "both answer" 1s /status/204 4
look "healthy"
out '.[0].services[0]|has("nodes")' false
is "a healthy node is not shown" 0 "$(grep -c '^  node' "$folder/table")"

kill -9 "$server_two"
wait "$server_two" 2>/dev/null
send "one answers" 2s /status/204 2
is_due() {
	"$ration" status --json | jq -e '.services[0].nodes[0].state == "due"' >/dev/null
}
until_true "it may be probed" is_due
look "after recover_after"
out "$node|[.uri,.state,.failures,.for_s,has(\"status\")]" "\\[\"$two\",\"due\",1,0*,false\\]"
is "it may be tried again" "  node         $two: failed once, out for *, may be tried again" "$(line)"

send "the probe fails" 5m /status/204 4
look "it failed again"
out "$node|[.uri,.state,.failures,.for_s > 200,.for_s <= 300,.out_s > 0]" \
	"\\[\"$two\",\"unhealthy\",2,true,true,true\\]"
is "it failed again" \
	"  node         $two: failed 2 times in a row, out for *, tried again in * min*" "$(line)"
out '.[0].services[0].nodes|length' 1

# another store, so that its time comes soon; and a server that comes back
RATION_STORE=$folder/store2
send "one answers" 2s /status/204 2
until_true "it may be probed" is_due
"$server" --port "${two##*:}" >"$folder/server.out" 2>&1 &
pids="$pids $!"
until_true "it is there again" grep -q '^listening on ' "$folder/server.out"
send "both answer" 1s /status/204 4
look "healthy again"
out '.[0].services[0]|has("nodes")' false
is "it is shown no more" 0 "$(grep -c '^  node' "$folder/table")"

# what a node asks for is not a failure
echo '{"path":"/status/429?retry_after=100"}' >"$folder/jobs"
run 1 "throttled" run -c "$folder/fleet.yaml" -q --retries 0 --deadline 20s "$folder/jobs"
look "it cools down"
out "$node|[.state,.failures,.for_s > 50,has(\"out_s\")]" '\["cooling",0,true,false\]'
is "it cools down" '  node         http://*: cools down for 1* min*' "$(grep "^  node" "$folder/table" | head -n 1)"

# what was answered is said
RATION_STORE=$folder/store3
echo '{"path":"/status/503"}' >"$folder/jobs"
run 1 "an error" run -c "$folder/fleet.yaml" -q --retries 0 "$folder/jobs"
look "it failed"
out '.[0].services[0].nodes|map(select(.failures > 0))|.[0]|[.status,.failures]' '\[503,1\]'
is "it failed" '  node         http://*: failed once, last with status 503*, tried again in *' \
	"$(grep 'failed' "$folder/table")"
finish
