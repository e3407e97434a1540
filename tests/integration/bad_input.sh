#!/bin/sh
# Bad input beside good: each bad line, server or store has a clear error of its own, and the good
# jobs go on. What a single bad line looks like stands in run_input.sh; here it is what comes
# between good ones, in numbers, and servers and stores that fail in the middle.
. "$(dirname "$0")/run_lib.sh"
start_server
port=${url##*:}

# Errors without a text, or with one that says nothing of the place
silent='map(select(.outcome!="ok" and ((.error.message // "")|length) < 12))|length'

# ---- ways in which a line is no job ----
bad() {
	printf '%s\n' "$@"
	printf '%s/status/204?between\n' "$url"
}
object() {
	printf '{"url":"%s/status/204",%s}\n' "$url" "$1"
}
{
	head -c 200000 /dev/zero | tr '\0' '['
	echo
	bad "{\"id\":\"a\",\"id\":\"b\",\"url\":\"$url/status/204\"}"
	bad "{\"url\":\"$url/status/204\"} trailing"
	bad '{"url":' '"url"' 'nul' '{}' '7' "{'url':1}"
	bad ftp://127.0.0.1/ file:///etc/passwd 'javascript:alert(1)' //127.0.0.1/ http:///x 'http://?x'
	bad http://127.0.0.1:0/ http://127.0.0.1:99999/ 'http://[::1/' 'http://127.0.0.1:80:9/'
	bad 'http://127.0.0.1\@elsewhere.example/' 'http://a b/' "$url/a b"
	printf '%s/%s\n' "$url" "$(head -c 100000 /dev/zero | tr '\0' y)"
	printf 'http://%s/\n' "$(head -c 300 /dev/zero | tr '\0' a)"
	object '"method":""'
	object '"method":"CONNECT"'
	object '"Method":"GET"'
	object '"deadline":"-1s"'
	object '"cost":-1'
	object '"cost":"x"'
	object '"priority":1e30'
	object '"headers":{"":"x"}'
	object '"headers":{"Content-Length":"5"}'
	object '"headers":{"Host":"elsewhere.example"}'
	object '"headers":["X-A: b"]'
	object '"body_b64":"***"'
	object '"body_file":"/dev/zero"'
	object "\"body_file\":\"$folder\""
	object '"keys":{"a":{}}'
	object '"idempotency_key":"a\r\nb: c"'
	object '"path":"/x"'
	object '"id":7'
	printf '%s/status/204?last\n' "$url"
} >"$folder/jobs"
all=$(lines "$folder/jobs")
good=$(grep -c -e '?between$' -e '?last$' "$folder/jobs")
run 1 "bad lines between good ones" run "$folder/jobs"
out length "$all"
out 'map(select(.outcome=="ok"))|length' "$good"
out 'map(select(.outcome!="ok" and .error.class!="usage"))|length' 0
out "$silent" 0
out '(map(.line)|sort) == [range(1;1+length)]' true
out 'map(select(.error.message=="invalid argument" or .error.message=="larger than its limit"))|length' 0
sent_is "the good ones were sent" "$good"

# ---- lines of 100 MB in a file ----
# Without an end of a line, too
long() {
	printf '%s/status/204?' "$url"
	head -c 100000000 /dev/zero | tr '\0' z
}
{
	echo "$url/status/204?a"
	long
	echo
	echo "$url/status/204?b"
	printf '{"body":"%s","url":"%s/status/204"}\n' "$(head -c 1000000 /dev/zero | tr '\0' m)" "$url"
	long
} >"$folder/jobs"
: >"$log"
run 1 "lines of 100 MB" run "$folder/jobs"
out 'sort_by(.line)|map([.line,.outcome])' \
	'\[\[1,"ok"\],\[2,"failed"\],\[3,"ok"\],\[4,"ok"\],\[5,"failed"\]\]'
out 'map(select(.outcome!="ok").error.code)|unique' '\["ETOOBIG"\]'
out 'map(select(.outcome!="ok" and (.error.message|test("line"))))|length' 2
rm "$folder/jobs"

# ---- a bad origin beside a good one ----
# The same server by another name is another origin, with a breaker and permits of its own. All that
# it does wrong takes its permits only until the timeout.
other=http://localhost:$port
curl -s "$other/health" >"$folder/health" 2>&1
if grep -q ok "$folder/health"; then
	i=0
	while [ $i -lt 40 ]; do
		i=$((i + 1))
		for path in reset stall endless stall-body; do echo "$other/$path?$i"; done
		for k in 1 2 3 4; do echo "$url/status/204?$i-$k"; done
	done >"$folder/jobs"
	: >"$log"
	run 1 "a bad origin" run --concurrency 10 --retries 0 --timeout 300ms --breaker 5/1h --no-wait \
		"$folder/jobs"
	out length 320
	out 'map(select(.outcome=="ok"))|length' 160
	out "$silent" 0
	out 'map(select(.outcome!="ok").error.code)|unique|index("DENIED_BREAKER")|type' '"number"'
	is "the good origin was asked for all of its" 160 "$(grep -c '"path":"/status/204"' "$log")"
	bad_ones=$(grep -c -v '"path":"/status/204"' "$log")
	is "the bad one's breaker opened: $bad_ones of 160 were sent" yes \
		"$([ "$bad_ones" -le 20 ] && echo yes)"
fi

# ---- a server that dies in the middle, and comes back ----
rm -rf "$RATION_STORE"
"$server" --port 0 --log "$folder/log2" >"$folder/server2.out" 2>&1 &
dying=$!
pids="$pids $dying"
until_true "the second server starts" grep -q '^listening on ' "$folder/server2.out"
second=$(sed -n 's/^listening on //p' "$folder/server2.out")
i=0
while [ $i -lt 60 ]; do
	i=$((i + 1))
	echo "$second/status/204?$i"
done >"$folder/jobs"
"$ration" run --rate 40/s --burst 1 --retries 0 --breaker 3/500ms "$folder/jobs" >"$folder/out" \
	2>"$folder/err" &
pid=$!
pids="$pids $pid"
until_true "some results" eval '[ $(lines "$folder/out") -ge 10 ]'
kill -9 $dying
wait $dying 2>/dev/null
until_true "failures" eval 'grep -q "\"outcome\":\"failed\"" "$folder/out"'
"$server" --port "${second##*:}" --log "$folder/log2" >"$folder/server2.out" 2>&1 &
pids="$pids $!"
wait $pid
is "a server that comes back: exit code" 1 $?
out length 60
out "$silent" 0
failures=$(jq -s 'map(select(.outcome!="ok"))|length' "$folder/out")
is "the breaker kept the others: $failures failed" yes "$([ "$failures" -le 10 ] && echo yes)"

# ---- stores that cannot be ----
: >"$log"
echo "$url/status/204" >"$folder/jobs"
# refused WHAT STORE PATTERN
refused() {
	run 69 "$1" run --store "$2" "$folder/jobs"
	err "$1: says which and why" "*$2*$3*"
	is "$1: no result" 0 "$(lines "$folder/out")"
}
echo text >"$folder/file"
refused "a store that is a file" "$folder/file" 'ot a directory'
refused "a store below a file" "$folder/file/store" 'ot a directory'
refused "a store where nothing can be made" /proc/store ''
ln -s loop "$folder/loop"
refused "a store that is a loop" "$folder/loop" ''
mkdir -m 700 "$folder/foreign"
head -c 4096 /dev/zero | tr '\0' q >"$folder/foreign/gate"
chmod 600 "$folder/foreign/gate"
refused "a store whose gate is something else" "$folder/foreign" ''
is "it is left alone" qqqq "$(head -c 4 "$folder/foreign/gate")"
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	mkdir -m 700 "$folder/small"
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount -t tmpfs -o size=1M,mode=700 none "$1" &&
		exec timeout 60 "$2" run --store "$1/store" "$3"' sh "$folder/small" "$ration" \
		"$folder/jobs" >"$folder/out" 2>"$folder/err"
	is "a full disk: exit code" 69 $?
	err "a full disk: says so" '*pace*'
fi
nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}
if [ "$(id -u)" = 0 ] && nobody "$ration" --version >/dev/null 2>&1; then
	mkdir -m 755 "$folder/roots"
	chmod 755 "$folder"
	nobody timeout 60 "$ration" run --store "$folder/roots/store" "$folder/jobs" \
		>"$folder/out" 2>"$folder/err"
	is "no permission: exit code" 69 $?
	err "no permission: says so" "*$folder/roots/store*ermission*"
fi
is "nothing was sent" 0 "$(sent)"
finish
