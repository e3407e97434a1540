#!/bin/sh
# ration-testserver from outside, with curl: each route, steering, the log (row R23 and ours).
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
callers=

cleanup() {
	for one in $callers $pid; do kill -9 "$one" 2>/dev/null; done
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

# start OPTION...: sets pid and url
start() {
	: >"$folder/out"
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

stop() {
	kill -TERM $pid
	wait $pid
	is "end by SIGTERM" 0 $?
	pid=
}

get() { curl -s -m 30 "$@"; }
post() { get -X POST "$@"; }
status() { get -o /dev/null -w '%{http_code}' "$@"; }
# Only curl's own verdict: 28 timeout, 52 nothing, 56 reset, 18 partial ...
verdict() {
	curl -s -m 30 -o /dev/null "$@"
	echo $?
}
# settle WANTED-PATTERN: until /stats looks like this, so long as it takes
settle() {
	tries=0
	while :; do
		stats=$(get "$url/stats")
		case $stats in $1) break ;; esac
		tries=$((tries + 1))
		[ $tries -gt 600 ] && break
		sleep 0.05
	done
	is "statistics settle" "$1" "$stats"
}

# Wrong use
"$server" --port x >/dev/null 2>&1
is "bad port" 2 $?
"$server" --rate 5 >/dev/null 2>&1
is "bad rate" 2 $?
"$server" --rate 5/s:0 >/dev/null 2>&1
is "burst below one" 2 $?
"$server" --nonsense >/dev/null 2>&1
is "unknown option" 2 $?
"$server" extra >/dev/null 2>&1
is "argument" 2 $?
"$server" --log "$folder/no/such" >/dev/null 2>&1
is "log that cannot be" 1 $?
is help '*--port*' "$("$server" --help)"
if [ -c /dev/full ]; then
	"$server" --port 0 >/dev/full 2>/dev/null
	is "port that cannot be said" 1 $?
fi

start --port-file "$folder/port"
is "port file" "${url##*:}" "$(cat "$folder/port")"
"$server" --port "${url##*:}" >/dev/null 2>&1
is "port in use" 1 $?

# R23: messages
is "message" '{"message_id":"????????-????-4???-[89ab]???-????????????"}' "$(get "$url/msg")"
first=$(get -H 'X-Request-ID: a' "$url/msg")
is "same id" "$first" "$(get -H 'X-Request-ID: a' "$url/msg")"
is "another id" different \
	"$([ "$first" = "$(get -H 'X-Request-ID: b' "$url/msg")" ] || echo different)"
is "no id" different "$([ "$(get "$url/msg")" = "$(get "$url/msg")" ] || echo different)"
is "idempotency key goes first" "$first" \
	"$(get -H 'X-Request-ID: c' -H 'Idempotency-Key: a' "$url/msg")"
is "delay" 200 "$(status "$url/msg?delay=1")"
for delay in 30001 -1 x ''; do
	is "delay '$delay'" 400 "$(status "$url/msg?delay=$delay")"
done
is "message by POST" 405 "$(status -X POST "$url/msg")"
is "message by HEAD" 200 "$(status -I "$url/msg")"

# R23: ordered failures, before the cache
post "$url/fail/count/2" >/dev/null
is "failure 1" 500 "$(status -H 'X-Request-ID: a' "$url/msg")"
is "health is exempt" '{"status":"ok","uptime_seconds":[0-9]*}' "$(get "$url/health")"
is "failures left" '{"failing":true,"fail_count":1,"fail_seconds_left":0.000}' \
	"$(get "$url/fail/status")"
is "failure 2" 500 "$(status "$url/anything")"
is "after the failures" "$first" "$(get -H 'X-Request-ID: a' "$url/msg")"
post "$url/fail/duration/3600" >/dev/null
is "failing for a time" 500 "$(status "$url/msg")"
is "time left" '{"failing":true,"fail_count":0,"fail_seconds_left":3[56]*}' \
	"$(get "$url/fail/status")"
is "reset" '{"failing":false,*' "$(post "$url/fail/reset")"
is "after the reset" 200 "$(status "$url/msg")"
post "$url/fail/count/1000" >/dev/null
is "count 0" '{"failing":false,*' "$(post "$url/fail/count/0")"
for path in count/1001 count/-1 count/x duration/3601; do
	is "fail/$path" 400 "$(status -X POST "$url/fail/$path")"
done
is "order by GET" 405 "$(status "$url/fail/count/1")"

# Any status
for code in 200 201 204 304 400 404 418 429 500 503 599; do
	is "status $code" $code "$(status "$url/status/$code")"
	is "status $code by DELETE" $code "$(status -X DELETE "$url/status/$code")"
done
for code in 199 600 x; do is "status $code" 400 "$(status "$url/status/$code")"; done
headers=$(get -D - -o /dev/null "$url/status/429?retry_after=7&ratelimit=100,3,12,30" | tr -d '\r')
is "Retry-After" '*
Retry-After: 7
*' "$headers"
is "RateLimit" '*RateLimit: "default";r=3;t=12*' "$headers"
is "RateLimit-Policy" '*RateLimit-Policy: "default";q=100;w=30*' "$headers"
is "X-RateLimit" \
	'*X-RateLimit-Limit: 100*X-RateLimit-Remaining: 3*X-RateLimit-Reset: 12*' "$headers"
is "Retry-After as a date" '*Retry-After: Wed, 21 Oct 2065 07:28:00 GMT*' \
	"$(get -D - "$url/status/503?retry_after=Wed,%2021%20Oct%202065%2007:28:00%20GMT")"
is "header injection" 400 "$(status "$url/status/503?retry_after=1%0d%0aX:1")"
is "bad ratelimit" 400 "$(status "$url/status/503?ratelimit=1,2")"
is "unknown route" 404 "$(status "$url/nope")"

# Redirects
is "redirect" "307 $url/msg" \
	"$(get -o /dev/null -w '%{http_code} %{redirect_url}' "$url/redirect/307?to=%2Fmsg")"
is "followed" 200 "$(status -L "$url/redirect/302?to=/bytes/3")"
is "redirect without end" 47 "$(verdict -L --max-redirs 5 "$url/redirect/308")"
is "injected location" 400 "$(status "$url/redirect/302?to=%0d%0aX:1")"
is "redirect 200" 400 "$(status "$url/redirect/200?to=/")"

# Bodies
is "bytes" 100000 "$(get "$url/bytes/100000" | wc -c | tr -d ' ')"
is "no bytes" '200 0' "$(get -w '%{http_code} %{size_download}' "$url/bytes/0")"
is "slow" 'xxxxx' "$(get "$url/slow?bytes=5&interval_ms=1")"
is "echo" '{"method":"PUT","path":"/echo/a%20b","query":"c=%22","headers":\[\["Host",*\["X-Y","é"\],*
*\],"body_bytes":4,"body":"a\\"\\nb"}' "$(printf 'a"\nb' |
	get -X PUT -H 'X-Y: é' --data-binary @- "$url/echo/a%20b?c=%22" | sed 's/,\["Content-L/&\n&/')"
is "echo of bytes" '*"body_bytes":4,"body_base64":"AP+AYQ=="}' \
	"$(printf '\000\377\200a' | get --data-binary @- "$url/anything")"
head -c 16777216 /dev/zero >"$folder/body"
is "largest body" 200 "$(status --data-binary @"$folder/body" "$url/status/200")"
printf x >>"$folder/body"
# asked first (Expect), for an answer in mid-body can be lost to the reset that follows it
is "body too large" 413 "$(status -H "Expect: 100-continue" --data-binary @"$folder/body" "$url/status/200")"
# whether curl meets the end while it sends or while it reads is a matter of chance
is "chunked body too large" '5[256]' \
	"$(verdict -H Expect: -T - "$url/echo" <"$folder/body")"
rm "$folder/body"

# Answers that are none
is "stall" 28 "$(verdict -m 0.3 "$url/stall")"
is "stall in the body" '512 28' "$(curl -s -m 0.3 -o "$folder/part" -w '%{size_download} ' \
	"$url/stall-body"; echo $?)"
is "reset" 56 "$(verdict "$url/reset")"
is "reset in the body" '512 56' "$(curl -s -o "$folder/part" -w '%{size_download} ' \
	"$url/reset-body"; echo $?)"
is "garbage" 1 "$(verdict "$url/garbage")"
is "endless body" 3000000 "$(get "$url/endless" | head -c 3000000 | wc -c | tr -d " ")"
is "endless headers" 56 "$(verdict -m 30 "$url/endless-headers")"

# curl sends again by itself when a reused connection is reset: three requests for two answers.
settle '*"in_flight":0,*'
post "$url/stats/reset" >/dev/null
get "$url/reset-reused" "$url/reset-reused" >/dev/null
settle '{"requests":3,"in_flight":0,"peak":1,"aborted":1,"by_status":{"0":1,"200":2}}'
is "not counted" "$stats" "$(get "$url/stats")"

# Who has left is not in flight.
post "$url/stats/reset" >/dev/null
curl -s "$url/msg?delay=30000" >/dev/null &
one=$!
callers=$one
settle '{"requests":1,"in_flight":1,*'
kill -9 $one
wait $one 2>/dev/null
callers=
settle '{"requests":1,"in_flight":0,"peak":1,"aborted":1,"by_status":{"0":1}}'

# The log: what was sent last, and what has not ended when the server does.
get -H 'X-Request-ID: r"1' -H 'Idempotency-Key: k' "$url/msg?delay=2&x=1" >/dev/null
settle '*"in_flight":0,*' # curl may have its answer before the server has ended the exchange
lines=$(wc -l <"$log")
get "$url/fail/status" >/dev/null
curl -s "$url/stall" >/dev/null &
callers=$!
settle '*"in_flight":1,*'
stop
wait $callers 2>/dev/null
callers=
is "lines" $((lines + 1)) "$(wc -l <"$log" | tr -d ' ')"
is "line of a message" '{"t":*.??????,"mono":*,"n":*,"method":"GET","path":"/msg","query":"delay=2&x=1","status":200,"aborted":false,"in_flight":1,"peak":1,"id":"r\\"1","idempotency_key":"k","dur_ms":*.???,"conn":*}' \
	"$(tail -n 2 "$log" | head -n 1)"
is "line of the one cut off" '*"path":"/stall","query":"","status":0,"aborted":true,*"id":null,*' \
	"$(tail -n 1 "$log")"
is "steering is not logged" 0 "$(grep -c '"path":"/\(stats\|fail\)' "$log")"
is "numbers are without gaps" "$(wc -l <"$log" | tr -d ' ')" \
	"$(sed 's/.*"n":\([0-9]*\),.*/\1/' "$log" | sort -n | uniq | tail -n 1)"
is "every line is whole" 0 "$(grep -vc '^{"t":.*}$' "$log")"

# Cap, timeout; and the log goes on where it was
before=$(cat "$log")
start --concurrency 2 --timeout 200
is "timeout" 408 "$(status "$url/msg?delay=30000")"
is "in time" 200 "$(status "$url/msg?delay=200")"
for i in 1 2; do
	curl -s "$url/stall" >/dev/null &
	callers="$callers $!"
done
settle '*"in_flight":2,*'
is "above the cap" 503 "$(status "$url/msg")"
is "health above the cap" 200 "$(status "$url/health")"
# A newcomer is counted beside those who were there when he came, not beside those who had left,
# even when the server meets all of it at once.
kill -STOP $pid
for one in $callers; do kill -9 "$one"; done
wait $callers 2>/dev/null
curl -s -m 30 -o "$folder/part" -w "%{http_code}" "$url/msg" >"$folder/newcomer" &
callers=$!
sleep 0.2
kill -CONT $pid
wait $callers
callers=
is "below the cap again" 200 "$(cat "$folder/newcomer")"
stop
is "the log goes on" "begins alike" "$(case $(cat "$log") in "$before"?*) echo begins alike ;; esac)"

# Rate
start --rate 3/h
for i in 1 2 3; do is "within the rate" 200 "$(status "$url/msg")"; done
is "above the rate" '*HTTP/1.1 429 *Retry-After: 1[12][0-9][0-9]?*too many requests*' \
	"$(get -i "$url/msg")"
is "health above the rate" 200 "$(status "$url/health")"
stop
start --rate 1/3600:2
is "burst" '200200429' "$(status "$url/msg")$(status "$url/msg")$(status "$url/msg")"
stop

# A thousand slow requests, one thread
rm "$log"
start
for i in 1 2 3 4; do
	curl -s --parallel --parallel-immediate --parallel-max 250 \
		"$url/msg?delay=30000&i=[1-250]" >/dev/null 2>&1 &
	callers="$callers $!"
done
settle '*"in_flight":1000,"peak":1000,*'
is "served beside them" 200 "$(status "$url/msg")"
for one in $callers; do kill -9 "$one"; done
wait $callers 2>/dev/null
callers=
settle '{"requests":1001,"in_flight":0,"peak":1001,"aborted":1000,"by_status":{"0":1000,"200":1}}'
stop
is "their lines" 1001 "$(wc -l <"$log" | tr -d ' ')"

[ $failed -eq 0 ] && echo "ok: $checks checks"
exit $failed
