#!/bin/sh
# A batch takes constant memory, whatever its length: the peak of one process after a tenth of the
# lines and after all of them.
. "$(dirname "$0")/lib.sh"
count=$(sized 100000 1000000)
growth_max_kib=8192
start_server

# KiB, the highest so far
peak() {
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"
}
# A sanitizer keeps freed memory on purpose
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=1:malloc_context_size=0"
# Half of them with something of their own to keep: an id, headers, data that come back
lines_of() {
	awk -v from="$1" -v to="$2" -v at="$url/status/204" 'BEGIN { for (i = from; i <= to; i++)
		if (i % 2) print at "?job=" i
		else printf "{\"id\":\"job-%d\",\"url\":\"%s\",\"headers\":{\"X-N\":\"%d\"}," \
			"\"meta\":{\"row\":%d}}\n", i, at, i, i }'
}
ended_are() {
	[ "$(lines "$folder/out.1")" -ge "$1" ] || ! kill -0 "$pid" 2>/dev/null
}
patiently() {
	until ended_are "$1"; do sleep 0.2; done
}

mkfifo "$folder/jobs"
"$ration" run -o "$folder/out.1" "$folder/jobs" >/dev/null 2>"$folder/err.1" &
pid=$!
pids="$pids $pid"
exec 3>"$folder/jobs"
until_true "it runs" [ -e "$folder/out.1" ] || exit 1
lines_of 1 $((count / 10)) >&3
patiently $((count / 10))
tenth=$(peak)
lines_of $((count / 10 + 1)) "$count" >&3
patiently "$count"
whole=$(peak)
exec 3>&-
ended 1 $pid 0
say "$count lines: peak $whole KiB, $tenth KiB after a tenth; $(tail -n 1 "$folder/err.1")"
is "results" "$count" "$(lines "$folder/out.1")"
is "ok" "$count" "$(grep -c '"outcome":"ok"' "$folder/out.1")"
most "KiB more for nine times as many" $growth_max_kib $((whole - tenth))
server_quiet
holds "requests" "$judge" count "$log" "$count"
finish
