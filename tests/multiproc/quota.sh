#!/bin/sh
# One quota for four processes that do not wait: exactly so many requests; the other jobs say which
# quota, and when it frees.
. "$(dirname "$0")/lib.sh"
start_server

many 400 /status/204 >"$folder/jobs"
for i in 1 2 3 4; do
	started $i "$folder/jobs" --quota 1000/24h --no-wait
	eval "pid$i=$pid"
done
for i in 1 2 3 4; do eval "ended $i \$pid$i '[01]'"; done
server_quiet
holds "requests" "$judge" count "$log" 1000
denied='map(select(.error.code=="DENIED_QUOTA"))'
is "one result each" 1600 "$(results length 1 2 3 4)"
is "ok" 1000 "$(results 'map(select(.outcome=="ok"))|length' 1 2 3 4)"
is "refused" 600 "$(results "$denied|length" 1 2 3 4)"
is "refused without an attempt" 600 \
	"$(results "$denied|map(select((.attempts|length)==0))|length" 1 2 3 4)"
is "each names the quota, and when it frees" 600 \
	"$(results "$denied|map(select(.error.message|test(\"quota exceeded: quota, frees in (1 d|2[34] h)\")))|length" 1 2 3 4)"
say "such as: $(results "$denied[0].error.message" 1 2 3 4)"

# One who comes later is refused too, and sends nothing.
many 3 /status/204 >"$folder/jobs"
started 5 "$folder/jobs" --quota 1000/24h --no-wait
ended 5 $pid 1
is "a later process" '\["DENIED_QUOTA"\]' "$(results 'map(.error.code)|unique' 5)"
holds "requests still" "$judge" count "$log" 1000
finish
