#!/bin/sh
# The limits that ration-testserver enforces, from outside, with curl: refusals, their fields, costs,
# keys, and what its log says of them.
set -u
server=${RATION_BUILD:-.}/src/ration-testserver
command -v curl >/dev/null 2>&1 || {
	echo "curl is missing"
	exit 77
}
folder=$(mktemp -d) || exit 99
log=$folder/log
failed=0
checks=0
pid=

cleanup() {
	[ -z "$pid" ] || kill -9 $pid 2>/dev/null
	rm -rf "$folder"
}
trap cleanup EXIT

# is WHAT WANTED-PATTERN GOT
is() {
	checks=$((checks + 1))
	case $3 in
	$2) ;;
	*)
		echo "not ok: $1: '$3' is not '$2'"
		failed=1
		;;
	esac
}

# start OPTION...: sets pid and url, empties the log
start() {
	: >"$folder/out"
	rm -f "$log"
	"$server" --port 0 --log "$log" "$@" >"$folder/out" 2>"$folder/err" &
	pid=$!
	tries=0
	until url=$(sed -n 's/^listening on //p' "$folder/out") && [ -n "$url" ]; do
		tries=$((tries + 1))
		if [ $tries -gt 600 ] || ! kill -0 $pid 2>/dev/null; then
			echo "the server does not start"
			cat "$folder/err"
			exit 1
		fi
		sleep 0.05
	done
}

# stop: the log is complete afterwards
stop() {
	kill -TERM $pid
	wait $pid
	is "end by SIGTERM" 0 $?
	pid=
}

get() { curl -s -m 30 "$@" | tr -d '\r'; }
status() { get -o /dev/null -w '%{http_code}' "$@"; }
# several N ARGUMENT...: N statuses in a row
several() {
	n=$1
	shift
	i=0
	while [ $i -lt "$n" ]; do
		status "$@"
		i=$((i + 1))
	done
}

# Wrong use: refused before anything listens, and said why
for option in --limit=5 --limit=5/s,burst=0 --window=5/s,burst=2 --window=0/1m --limit=5/s,x=y; do
	why=$("$server" "$option" 2>&1 >/dev/null)
	is "$option" 2 $?
	is "$option says why" "*not ${option#*=}
*" "$why"
done
"$server" --limit 1/s --limit 2/s --limit 3/s --window 4/s --window 5/s >/dev/null 2>&1
is "five limits" 2 $?

# A bucket: its burst, then 429 with whole seconds
start --limit 2/h,burst=3
is "burst" 200200200429 "$(several 4 "$url/msg")"
is "refusal" '*HTTP/1.1 429 *Retry-After: 1[78][0-9][0-9]
*{"error":"too many requests","limit":"rate","wait_ms":1[78]?????}' "$(get -i "$url/msg")"
is "health is exempt" 200 "$(status "$url/health")"
is "so is steering" '{"limits":1}' "$(get -X POST "$url/limits/reset")"
is "full again" 200200200429 "$(several 4 "$url/nope" | sed 's/404/200/g')"
is "nothing said unless asked" 0 "$(get -I "$url/msg" | grep -ci ratelimit)"
stop
is "log" 7 "$(grep -c '"cost":1,"allowed":true,"limit":null}$' "$log")"
is "log of the refused" 4 "$(grep -c '"status":429.*"allowed":false,"limit":"rate"}$' "$log")"
is "each line is one or the other" 11 "$(wc -l <"$log" | tr -d ' ')"

# At least a second, also when it would pass sooner
start --limit 50/s,burst=1
is "soon" '*Retry-After: 1
*' "$(curl -s -i "$url/msg" "$url/msg" | tr -d '\r')"
stop

# 503, and Retry-After as wished
start --limit 1/h,answer=503,retry_after=off
is "503" 200503 "$(several 2 "$url/msg")"
is "no Retry-After" 0 "$(get -i "$url/msg" | grep -ci retry-after)"
is "overloaded" '{"error":"overloaded",*' "$(get "$url/msg")"
stop
start --limit 1/h,retry_after=0
is "another Retry-After" '*Retry-After: 0
*' "$(curl -s -i "$url/msg" "$url/msg" | tr -d '\r')"
stop

# An exact window of costs
start --window 100/1h,count=cost,name=tokens
is "cost from a header" 200 "$(status -H 'X-Cost: 60' "$url/msg")"
is "cost from usage" '{"usage":{"total_tokens":30.5}}' "$(get "$url/usage?total_tokens=30.5")"
is "cost in a header" '*X-Cost: 2
*' "$(get -i "$url/usage?total_tokens=2")"
is "a cost too many" 429 "$(status -H 'X-Cost: 8' "$url/msg")"
is "no cost is one" 200 "$(status "$url/msg")"
is "nothing is nothing" 200 "$(status -H 'X-Cost: 0' "$url/msg")"
is "what is left" 200429 "$(status -H 'X-Cost: 6.5' "$url/msg")$(status "$url/msg")"
is "never" '*HTTP/1.1 429*"limit":"tokens","wait_ms":null}' "$(get -i -H 'X-Cost: 101' "$url/msg")"
is "never, and so not when" 0 "$(get -i -H 'X-Cost: 101' "$url/msg" | grep -ci retry-after)"
for cost in ': x' ': -1' ': 1e13' ': nan' ': 1x' ';'; do
	is "X-Cost$cost" 400 "$(status -H "X-Cost$cost" "$url/usage")"
done
is "usage above the limit" 429 "$(status "$url/usage?total_tokens=99")"
is "usage that is no number" 400 "$(status "$url/usage?total_tokens=x")"
stop
is "costs in the log" '60 30.5 2 8 1 0 6.5 1 101 101' "$(grep -v '"status":400' "$log" |
	grep -v '=99"' | sed 's/.*"cost":\([0-9.]*\),.*/\1/' | tr '\n' ' ' | sed 's/ $//')"

# Two limits and keys: all or nothing, each tenant its own
start --limit 2/h,key=X-Tenant --window 5/1h,name=all
is "tenants" "200200429 200200429 200429" "$(several 3 -H 'X-Tenant: a' "$url/msg") $(
	several 3 -H 'X-Tenant: b' "$url/msg") $(several 2 "$url/msg")"
stop
is "who refused" 'rate rate all' "$(sed -n 's/.*"limit":"\(.*\)"}$/\1/p' "$log" | tr '\n' ' ' |
	sed 's/ $//')"

# Fields on every answer, whatever its status
start --limit 10/h,burst=5,fields=ratelimit --window 2/1m,fields=ratelimit,name=minute
headers=$(get -i "$url/status/404")
is "RateLimit" '*
RateLimit: "rate";r=4;t=3[56][0-9], "minute";r=1;t=60
*' "$headers"
is "RateLimit-Policy" '*
RateLimit-Policy: "rate";q=5;w=1800, "minute";q=2;w=60
*' "$headers"
get "$url/msg" >/dev/null
is "of a refusal" '*HTTP/1.1 429*RateLimit: "rate";r=3;*, "minute";r=0;t=[56]?
*' "$(get -i "$url/msg")"
is "not of steering" 0 "$(get -i "$url/stats" | grep -ci ratelimit)"
stop
start --window 2/1m,fields=x-ratelimit --window 90/1m,count=cost,fields=x-ratelimit,name=tokens
is "X-RateLimit" '*
X-RateLimit-Limit: 2
X-RateLimit-Remaining: 1
X-RateLimit-Reset: 60
X-RateLimit-Limit-tokens: 90
X-RateLimit-Remaining-tokens: 79
X-RateLimit-Reset-tokens: 60
*' "$(get -i "$url/usage?total_tokens=11")"
stop

# The cap on requests in flight is no limit, but who it refuses was not allowed either.
start --concurrency 1
curl -s "$url/stall" >/dev/null &
caller=$!
tries=0
until [ "$(get "$url/stats" | sed 's/.*"in_flight":\([0-9]*\),.*/\1/')" = 1 ] || [ $tries -gt 600 ]; do
	tries=$((tries + 1))
	sleep 0.05
done
is "above the cap" 503 "$(status "$url/msg")"
kill -9 $caller
wait $caller 2>/dev/null
stop
is "the cap in the log" 1 "$(grep -c '"status":503.*"allowed":false,"limit":"concurrency"}$' "$log")"

[ $failed -eq 0 ] && echo "ok: $checks checks"
exit $failed
