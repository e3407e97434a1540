#!/bin/sh
# Two limits at once: 60 requests and 90,000 tokens a window, jobs of mixed sizes over four
# processes. Neither is exceeded in any window, and the one that binds is used to at least 97 %. Two
# fleets, each its own service, at the same time: one whose jobs are large, so that tokens bind, and
# one whose jobs are small, so that requests do.
. "$(dirname "$0")/lib.sh"
window=$(sized 6 60)
start_server

limits="limits: {requests: {max: 60, window: ${window}s},
      tokens: {max: 90000, window: ${window}s, unit: tokens}}"
configure <<END
version: 1
services:
  large:
    uris: [$url]
    $limits
  small:
    uris: [$url]
    $limits
END

# sizes SERVICE NUMBER LEAST MOST: endless for this purpose; the server logs X-Cost as the cost
sizes() {
	awk -v service="$1" -v seed="$2" -v least="$3" -v most="$4" 'BEGIN {
		srand(seed)
		for (i = 1; i <= 400; i++) {
			cost = least + int(rand() * (most - least + 1))
			printf "{\"service\":\"%s\",\"path\":\"/status/204?f=%s&job=%d-%d\",", service,
				service, seed, i
			printf "\"cost\":{\"tokens\":%d},\"headers\":{\"X-Cost\":\"%d\"}}\n", cost, cost
		}
	}'
}
all=
for i in 1 2 3 4; do
	sizes large $i 500 4500 >"$folder/jobs.large$i"
	sizes small $i 100 1900 >"$folder/jobs.small$i"
	for kind in large small; do
		started $kind$i "$folder/jobs.$kind$i" -c "$config"
		all="$all $pid"
	done
done

# Until each fleet has sent in its fourth window: two whole ones, and what follows them, are judged.
reached() {
	for kind in large small; do
		grep "f=$kind&" "$log" >"$folder/log.$kind"
		[ -s "$folder/log.$kind" ] || return 1
		"$judge" span "$folder/log.$kind" 2>/dev/null | awk -v s="$window" \
			'{ span = $1 } END { exit !(span >= 3 * s) }' || return 1
	done
}
sleep "$((3 * window))"
until_true "both fleets have come to their fourth window" reached
# shellcheck disable=SC2086
slay $all
server_quiet
for kind in large small; do
	grep "f=$kind&" "$log" >"$folder/log.$kind"
	one=$folder/log.$kind
	holds "$kind jobs, requests" "$judge" sum requests "$one" 60 "$window" 0.05
	holds "$kind jobs, tokens" "$judge" sum cost "$one" 90000 "$window" 0.05
done
holds "tokens bind" "$judge" used cost "$folder/log.large" 90000 "$window" 0.97
holds "requests bind" "$judge" used requests "$folder/log.small" 60 "$window" 0.97
is "nobody's job failed" 0 "$(results 'map(select(.outcome!="ok"))|length' \
	large1 large2 large3 large4 small1 small2 small3 small4)"
finish
