#!/bin/sh
# What an operator does with `ration control` is obeyed by processes that are running: a breaker
# forced open and released, for a time or for good; other numbers for one agent's quota; a reset.
. "$(dirname "$0")/lib.sh"
start_server

configure <<END
version: 1
services:
  api:
    uris: [$url]
    limits: {requests: {rate: 200/s, burst: 20}}
  agents:
    uris: [$url]
    quotas: {daily: {max: 20, window: 24h, per: [agent]}}
END
control() {
	"$ration" control -c "$config" "$@" >"$folder/control.out" 2>"$folder/control.err"
	is "control $*" 0 $?
}
breaker() {
	"$ration" status -c "$config" --json |
		jq -r '.services[] | select(.name=="api").breaker.state'
}
later() {
	awk -v t="$1" -v s="$2" 'BEGIN { printf "%.0f", t + s * 1e9 }'
}

# ---- forced open: silence at once, until it is released ----
awk 'BEGIN { for (i = 1; i <= 50000; i++) print "/status/204?job=" i }' >"$folder/jobs"
all=
for i in 1 2 3 4; do
	started $i "$folder/jobs" -c "$config" -s api
	all="$all $pid"
done
until_true "all send" eval '[ -s "$folder/out.1" ] && [ -s "$folder/out.2" ] &&
	[ -s "$folder/out.3" ] && [ -s "$folder/out.4" ]'
control api/breaker open
opened=$(now_ns)
sleep 1.5
is "status" '*forced*open*' "$(breaker)"
control api/breaker auto
released=$(now_ns)
until_true "they go on" eval '[ "$(jq -s --argjson t "$released" \
	"map(select(.mono > \$t)) | length" "$log")" -ge 50 ]'
control api/breaker open --for 3s
again=$(now_ns) # the command has ended a while after it wrote, with a sanitizer a long while
sleep 4
# shellcheck disable=SC2086
slay $all
server_quiet
holds "forced open: silence" "$judge" silence "$log" "$(later "$opened" 0.25)" 1.2
holds "forced open for 3 s: silence" "$judge" silence "$log" "$(later "$again" 0.25)" 1.5
least "and after that they go on" 10 "$(jq -s --argjson t "$(later "$again" 3)" \
	'map(select(.mono > $t)) | length' "$log")"
is "nobody's job failed" 0 "$(results 'map(select(.outcome!="ok"))|length' 1 2 3 4)"

# ---- one agent's quota: they wait, the operator gives more, they go on ----
fresh
of_agent() {
	grep -c "agent=$1&" "$log"
}
sent_by() {
	until_true "$1 has sent $2" eval "[ \$(of_agent $1) -ge $2 ]"
	sleep 0.5
	is "$1 has sent" "$2" "$(of_agent "$1")"
}
all=
for agent in plain premium; do
	awk -v agent=$agent 'BEGIN { for (i = 1; i <= 200; i++)
		printf "{\"service\":\"agents\",\"path\":\"/status/204?agent=%s&job=%d\"," \
			"\"keys\":{\"agent\":\"%s\"}}\n", agent, i, agent }' >"$folder/jobs.$agent"
	for i in 1 2; do
		started $agent$i "$folder/jobs.$agent" -c "$config"
		all="$all $pid"
	done
done
sent_by plain 20
sent_by premium 20
control agents/daily/premium set max=50
sent_by premium 50
sent_by plain 20
control agents/daily/plain reset
sent_by plain 40
sent_by premium 50
# Lowered below what is used: nothing more, also after a reset only so much
control agents/daily/premium set max=5
control agents/daily/premium reset
sent_by premium 55
control agents/daily/premium auto
sent_by premium 70
# shellcheck disable=SC2086
slay $all
is "nobody's job failed" 0 "$(results 'map(select(.outcome!="ok"))|length' \
	plain1 plain2 premium1 premium2)"

# ---- what cannot be meant is refused, and changes nothing ----
for wrong in "nobody/breaker open" "api/nothing reset" "api/requests open" "api/breaker set max=5" \
	"agents/daily set max=x" "api/breaker shut"; do
	# shellcheck disable=SC2086
	"$ration" control -c "$config" $wrong >/dev/null 2>"$folder/control.err"
	is "control $wrong" '[1-9]*' $?
	least "it says why" 1 "$(lines "$folder/control.err")"
done
finish
