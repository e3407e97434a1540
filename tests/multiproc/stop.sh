#!/bin/sh
# A peer that is stopped (SIGSTOP) anywhere, mostly in the middle of a transaction: the others go on
# sending within the gate's deadline of 250 ms, and the limit holds.
. "$(dirname "$0")/lib.sh"
stops=$(sized 20 200)
peer=$build/tests/multiproc/peer
start_server

"$peer" "$RATION_STORE" >"$folder/peer.out" 2>"$folder/peer.err" &
peer_pid=$!
pids="$pids $peer_pid"
until_true "the peer is ready" grep -q ready "$folder/peer.out" || exit 1
many 100000 /status/204 >"$folder/jobs"
all=
for i in 1 2 3; do
	started $i "$folder/jobs" --rate 300/s --burst 30
	all="$all $pid"
done
until_true "they send" eval '[ $(lines "$log") -ge 50 ]'

# Stopped for 500 ms, twice the deadline, at moments that nobody can know.
i=0
while [ $i -lt "$stops" ]; do
	i=$((i + 1))
	sleep "$(awk -v seed="$$$i" 'BEGIN { srand(seed); printf "%.4f", 0.2 + rand() / 10 }')"
	from=$(now_ns)
	kill -STOP $peer_pid
	sleep 0.5
	kill -CONT $peer_pid
	echo "$from $(now_ns)"
done >"$folder/stops"
alive=0
for one in $all; do kill -0 "$one" && alive=$((alive + 1)); done
is "all three are alive" 3 $alive
is "so is the peer" 0 "$(kill -0 $peer_pid; echo $?)"
# shellcheck disable=SC2086
kill -9 $all $peer_pid
# shellcheck disable=SC2086
wait $all $peer_pid 2>/dev/null
server_quiet

# The longest silence that touches each stop. 100 ms for a busy machine.
{
	jq -r .mono "$log"
	tail -n 1 "$folder/stops" | cut -d ' ' -f 2 # who fell silent for good is late, too
} | sort -n >"$folder/times"
awk 'NR == FNR { at[NR] = $1; n = NR; next }
	{ longest = 0
	for (k = 2; k <= n; k++) if (at[k] > $1 && at[k - 1] < $2 && at[k] - at[k - 1] > longest)
		longest = at[k] - at[k - 1]
	print longest / 1e6 }' "$folder/times" "$folder/stops" | sort -n >"$folder/silences"
late=$(awk '$1 > 350' "$folder/silences" | wc -l)
inside=$(awk '$1 > 200' "$folder/silences" | wc -l)
say "$stops stops, silences in ms: median $(sed -n "$(((stops + 1) / 2))p" "$folder/silences")," \
	"longest $(tail -n 1 "$folder/silences"); $inside found it inside; $late late"
timely most "late" $((stops / 100)) "$late"
# Whatever the machine: nobody waits for the end of the stop and none of them falls silent for good
most "silences of more than 5 s" 0 "$(awk '$1 > 5000' "$folder/silences" | wc -l)"
least "stops that found it inside" 1 "$inside"
is "nobody's job failed" 0 "$(results 'map(select(.outcome!="ok"))|length' 1 2 3)"
for i in 1 2 3; do
	least "process $i says that it went on without the store" 1 \
		"$(grep -c -i 'store' "$folder/err.$i")"
done
grep -h -i store "$folder/err.1" | head -n 2
"$judge" window "$log" 300 30 0.05
finish
