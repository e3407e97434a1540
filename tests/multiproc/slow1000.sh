#!/bin/sh
# A thousand slow requests in flight at once, on two threads.
. "$(dirname "$0")/lib.sh"
start_server

many 1000 '/msg?delay=2000' >"$folder/jobs"
"$ration" run --threads 2 --concurrency 1000 "$folder/jobs" >"$folder/out.1" 2>"$folder/err.1" &
pid=$!
pids="$pids $pid"
until_true "all in flight" eval '[ "$(stat in_flight)" = 1000 ] || ! kill -0 $pid 2>/dev/null'
threads=$(ls "/proc/$pid/task" | wc -l)
memory=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
ended 1 $pid 0
is "ok" 1000 "$(results 'map(select(.outcome=="ok" and (.attempts|length)==1))|length' 1)"
server_quiet
holds "requests" "$judge" count "$log" 1000
peak=$("$judge" peak "$log")
say "in flight: $peak, on $threads threads, $((memory / 1024)) MiB; $(tail -n 1 "$folder/err.1")"
is "in flight at once" 1000 "$peak"
finish
