#!/bin/sh
# How a run ends: signals, readers that go away, results that cannot be written.
. "$(dirname "$0")/run_lib.sh"
start_server
i=0
while [ $i -lt 300 ]; do
	echo "$url/echo?n=$i"
	i=$((i + 1))
done >"$folder/jobs"

# background WHAT-ENV... ARGUMENT...: starts it with default signals; sets pid
background() {
	: >"$folder/out" # the child opens them later
	: >"$folder/err"
	env --default-signal=INT,TERM,HUP "$ration" run "$@" >"$folder/out" 2>"$folder/err" &
	pid=$!
	pids="$pids $pid"
}
ended() {
	wait $pid
	is "$1: exit code" "$2" $?
}
some_results() {
	until_true "some results" eval '[ $(lines "$folder/out") -ge 5 ]'
}

# ---- results that cannot be written ----
echo old >"$folder/results"
run 74 "a file that exists" run -o "$folder/results" "$folder/jobs"
err "it is named" '*results: exists already*'
is "it is untouched" old "$(cat "$folder/results")"
run 74 "a folder that does not exist" run -o "$folder/none/results" "$folder/jobs"
is "nothing was sent" 0 "$(sent)"
timeout 60 "$ration" run -q "$folder/jobs" >/dev/full 2>"$folder/err"
is "a full disk" 74 $?
err "a full disk" '*cannot write results: No space left*results were lost*'
timeout 60 "$ration" run -q "$folder/jobs" >&- 2>"$folder/err"
is "closed standard output" 74 $?
run 0 "a device" run -q -o /dev/null "$folder/jobs"

# ---- a reader that goes away ----
rm -rf "$RATION_STORE"
sed 's/$/\&delay=200/' "$folder/jobs" >"$folder/slow"
{
	timeout 60 "$ration" run --rate 100/s --burst 1 "$folder/slow" 2>"$folder/err"
	echo $? >"$folder/code"
} | head -n 3 >"$folder/out"
is "head gets its lines" 3 "$(lines "$folder/out")"
is "head: exit code" 0 "$(cat "$folder/code")"
is "head: quiet" 0 "$(grep -c -v ': rate 100/s' "$folder/err")"
is "head: what was sent is waited for" 0 "$(jq -s 'map(select(.aborted))|length' "$log")"
is "head: no more is taken" less "$([ "$(sent)" -lt 700 ] && echo less)"

# ---- signals ----
for name in INT TERM HUP; do
	rm -rf "$RATION_STORE"
	background --rate 50/s --burst 1 "$folder/jobs"
	some_results
	kill -$name $pid
	ended "SIG$name" 130
	err "SIG$name: how to go on" \
		"*stopped; to go on: tail -n +* $folder/jobs | ration run --rate 50/s --burst 1 -*"
	from=$(sed -n 's/.*tail -n +\([0-9]*\).*/\1/p' "$folder/err")
	out 'map(.outcome)|unique' '\["ok"\]'
	out '(map(.line)|sort) == [range(1;1+length)]' true
	out 'length + 1' "$from"
	is "SIG$name: not to the end" less "$([ "$from" -lt 300 ] && echo less)"
done
tail -n "+$from" "$folder/jobs" >"$folder/rest"
done_before=$(lines "$folder/out")
run 0 "going on" run "$folder/rest"
is "exactly the rest" 300 $((done_before + $(lines "$folder/out")))

# the second one stops at once, though the server never answers
rm -rf "$RATION_STORE"
for i in 1 2 3 4 5 6 7 8; do echo "$url/stall"; done >"$folder/stalled"
{
	echo "$url/echo"
	cat "$folder/stalled"
} >"$folder/mixed"
background --concurrency 4 "$folder/mixed"
until_true "one result" eval '[ $(lines "$folder/out") -ge 1 ]'
kill -INT $pid
until_true "first signal" grep -q 'again to stop at once' "$folder/err"
kill -INT $pid
ended "second SIGINT" 130
err "what did not end" '*8 jobs from line 2 on did not end*tail -n +2 *'

# nohup: what was ignored stays so
rm -rf "$RATION_STORE"
: >"$folder/out"
(
	trap '' HUP
	exec "$ration" run -q --rate 100/s --burst 1 "$folder/rest" >"$folder/out" 2>"$folder/err"
) &
pid=$!
pids="$pids $pid"
some_results
kill -HUP $pid
ended "ignored SIGHUP" 0
is "all of them" "$(lines "$folder/rest")" "$(lines "$folder/out")"

# waiting for the writer of a FIFO can be interrupted
mkfifo "$folder/fifo"
background "$folder/fifo"
until_true "it waits" eval 'grep -q "^State:.S" /proc/$pid/status'
sleep 0.3
kill -INT $pid
ended "FIFO without writer" 130

# ---- what is waited for, and until when ----
rm -rf "$RATION_STORE"
background --quota 5/1h "$folder/jobs"
until_true "progress" grep -q 'waiting: quota' "$folder/err"
err "until when" '*waiting: quota*in*min*'
kill -INT $pid
sleep 0.2
kill -INT $pid
ended "waiting for a quota" 130
is "five went" 5 "$(lines "$folder/out")"
finish
