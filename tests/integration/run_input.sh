#!/bin/sh
# Bad input: each line its own clear error, the others go on; memory does not grow with the input.
. "$(dirname "$0")/run_lib.sh"
start_server

# ---- the zoo ----
{
	echo '{"id":"1"'
	echo "{\"id\":\"2\",\"url\":\"$url/echo\",\"hedaers\":{}}"
	echo 'http://'
	echo 'http://user:secret@127.0.0.1/'
	echo 'no url at all'
	printf '{"id":"6","url":"%s/echo","headers":{"X-A":"b\\r\\nX-C: d"}}\n' "$url"
	echo "{\"id\":\"7\",\"url\":\"$url/echo\",\"deadline\":\"soon\"}"
	printf '%s/echo\0x\n' "$url"
	printf '{"url":"%s/echo","id":"\377"}\n' "$url"
	echo "{\"id\":\"10\",\"url\":\"$url/echo\",\"body_file\":\"$folder/none\"}"
	echo "{\"id\":\"11\",\"service\":\"api\",\"path\":\"/x\"}"
	echo '/path'
	echo 'null'
	echo '[]'
	echo "{\"id\":\"15\",\"url\":\"$url/echo\",\"body\":\"a\",\"json\":1}"
	echo "{\"id\":\"16\",\"url\":\"$url/echo\",\"method\":\"GE T\"}"
	printf '\r\n\t\r\n#\r\n'
	printf '%s/echo?crlf\r\n' "$url"
	printf '%s/echo?last' "$url"
} >"$folder/jobs"
run 1 "the zoo" run "$folder/jobs"
out length 18
out 'map(select(.outcome=="ok").line)|sort' '\[20,21\]'
out 'map(select(.outcome=="failed").line)|sort|[.[0],.[-1],length]' '\[1,16,16\]'
out 'map(select(.error)|select((.error.message|length)==0 or .error.class=="ok"))|length' 0
out 'map(select(.line==1))[0].error.code' '"EJSON"'
out 'map(select(.line==2))[0]|[.id,.error.message]' '\["2","unknown key \\"hedaers\\""\]'
out 'map(select(.line==6))[0].error.code' '"EHEADER"'
out 'map(select(.line==7))[0].error.message' '*deadline: \\"soon\\": expected a duration*'
out 'map(select(.line==10))[0].error.message' '*none: No such file*'
out 'map(select(.line==16))[0].error.class' '"usage"'
is "no secret is shown" 0 "$(cat "$folder/out" "$folder/err" | grep -c secret)"
sent_is "only the good ones were sent" 2

# ---- servers that misbehave ----
for path in reset reset-body garbage stall stall-body endless endless-headers slow?bytes=3; do
	echo "$url/$path"
done >"$folder/jobs"
run 1 "bad servers" run --retries 0 --breaker off --set "services.\"$url\".uris=$url" \
	--set "services.\"$url\".timeouts.attempt=1500ms" \
	--set "services.\"$url\".response.body_max=64KiB" "$folder/jobs"
out 'map(select(.outcome=="ok").line)' '\[8\]'
out 'map(select(.outcome!="ok" and (.error.message|length) > 0))|length' 7
out 'map(select(.line==6))[0]|[.truncated,.error.code]' '\[true,"EBODY"\]'

# ---- no input ----
run 66 "no such file" run "$folder/none"
err "it is named" '*none: No such file*'
run 66 "a folder" run "$folder"
run 66 "closed standard input" run <&-

# ---- memory ----
# peak of the process, KiB
peak() {
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$1/status
}
held() {
	sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' /proc/$1/status
}
# A sanitizer keeps freed memory on purpose
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=1:malloc_context_size=0"
mkfifo "$folder/fifo"
: >"$folder/out"
"$ration" run "$folder/fifo" >"$folder/out" 2>"$folder/err" &
pid=$!
pids="$pids $pid"
exec 3>"$folder/fifo"
echo "$url/echo" >&3
until_true "the first result" eval '[ $(lines "$folder/out") -ge 1 ]'
before=$(peak $pid)
{
	printf '{"id":"long","url":"'
	head -c 100000000 /dev/zero | tr '\0' x
	printf '"}\n'
} >&3
until_true "the long line's result" eval '[ $(lines "$folder/out") -ge 2 ]'
out 'map([.line,.error.code])' '\[\[1,null\],\[2,"ETOOBIG"\]\]'
grown=$((($(peak $pid) - before) / 1024))
is "a line of 100 MB takes $grown MiB: below 48" yes "$([ $grown -lt 48 ] && echo yes)"

# trickle: byte by byte, results come while the input is open
for piece in "$url" /ec ho ?trickle; do
	printf %s "$piece" >&3
	sleep 0.05
done
echo >&3
until_true "a trickled line's result" eval '[ $(lines "$folder/out") -ge 3 ]'
i=0
while [ $i -lt 10000 ]; do
	echo "$url/status/204"
	i=$((i + 1))
done >"$folder/many"
cat "$folder/many" >&3
until_true "10^4 results" eval '[ $(lines "$folder/out") -ge 10003 ]'
before=$(held $pid)
for i in 1 2 3 4 5 6 7 8 9; do cat "$folder/many"; done >&3
until_true "10^5 results" eval '[ $(lines "$folder/out") -ge 100003 ]'
grown=$((($(held $pid) - before) / 1024))
is "nine times as many lines take $grown MiB more: below 8" yes "$([ $grown -lt 8 ] && echo yes)"
exec 3>&-
wait $pid
is "end of the trickle" 1 $?
is "all results" 100003 "$(lines "$folder/out")"
finish
