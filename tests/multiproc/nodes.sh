#!/bin/sh
# Three nodes, four processes under load: one node is killed, and started again on its port. No job
# fails; between the two the fleet asks the dead node once per recover_after; afterwards all three
# have the same traffic again.
. "$(dirname "$0")/lib.sh"
recover=$(sized 2 30)
before=$(sized 2 10)
dead=$(sized 9 100) # seconds
after=$(sized 4 20)
rate=200

# node I [PORT]: starts it; sets port_I and node_I
node() {
	: >"$folder/server.out"
	"$server" --port "${2:-0}" --log "$folder/log.$1" >"$folder/server.out" &
	eval "node_$1=$!"
	pids="$pids $!"
	until_true "node $1 listens" grep -q '^listening on ' "$folder/server.out" || exit 1
	eval "port_$1=$(sed 's/.*://' "$folder/server.out")"
}
requests() { # of each node
	for i in 1 2 3; do lines "$folder/log.$i"; done
}
# At the dead node, as the results of all processes say; a line that is just being written counts
# the next time.
refused() {
	cat "$folder"/out.[1-4] | grep '}$' | jq -r '.attempts[] | select(.error) | .node' |
		grep -c ":$port_2\$"
}

for i in 1 2 3; do node $i; done
configure <<END
version: 1
services:
  api:
    uris: [http://127.0.0.1:$port_1, http://127.0.0.1:$port_2, http://127.0.0.1:$port_3]
    nodes: {recover_after: ${recover}s}
    limits: {requests: {rate: $rate/s, burst: 1}}
END
awk -v n=$((rate * (before + dead + after + 6) / 4)) 'BEGIN {
	for (i = 1; i <= n; i++) print "{\"path\":\"/status/204?delay=20&job=" i "\"}" }' >"$folder/jobs"
all=
for i in 1 2 3 4; do
	started $i "$folder/jobs" -c "$config" --concurrency 40
	all="$all $pid"
done
until_true "they go" eval '[ "$(lines "$folder/log.2")" -ge 20 ]'
sleep "$before"

slay "$node_2"
sleep 1 # until then all have found out, and what was under way has failed
since=$(now_ns)
discovered=$(refused)
sleep $((dead - 1))
probes=$(($(refused) - discovered))
elapsed=$((($(now_ns) - since) / 1000000))
node 2 "$port_2"
say "the dead node: $discovered attempts in the first second, $probes in $elapsed ms after it"
most "probes of the whole fleet" $((elapsed / (recover * 1000) + 1)) $probes
least "it is probed" 1 $probes

healthy=$(lines "$folder/log.2")
until_true "it is found again" eval '[ "$(lines "$folder/log.2")" -gt $((healthy + 20)) ]'
requests >"$folder/then"
sleep "$after"
requests >"$folder/now"
counts=$(paste "$folder/then" "$folder/now" | awk '{ printf "%d ", $2 - $1 }')
say "requests of each afterwards: $counts"
uneven=$(echo "$counts" | tr ' ' '\n' | awk 'NF { n++; sum += $1
	if (n == 1 || $1 < least) least = $1; if ($1 > most) most = $1 }
	END { printf "%.1f", (most - least) / (sum / n) * 100 }')
most "uneven by percent" 10 "$uneven"

i=0
for one in $all; do
	i=$((i + 1))
	ended $i "$one" 0
done
is "outcomes" '\["ok"\]' "$(results 'map(.outcome)|unique' 1 2 3 4)"
is "jobs" $((4 * $(lines "$folder/jobs"))) "$(cat "$folder"/out.[1-4] | wc -l)"
finish
