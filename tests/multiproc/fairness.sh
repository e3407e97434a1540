#!/bin/sh
# Tenants of one `ration run` take turns: one has thousands of queued jobs, another's first job goes
# within a round, and weights of 3 to 1 give 3 to 1. A tenant whose own limit is used up holds up
# nobody, though its jobs came first.
. "$(dirname "$0")/lib.sh"
heavy=$(sized 4000 20000)
light=$(sized 100 300)
start_server

configure <<END
version: 1
workers: {queue_max: 100000}
services:
  api:
    uris: [$url]
    fairness: {per: tenant, weights: {heavy: 3}}
    limits:
      requests: {rate: 100/s, burst: 1}
      own: {max: 1000000, window: 24h, per: [tenant], overrides: {blocked: {max: 1}}}
END
# jobs TENANT N
jobs() {
	awk -v tenant="$1" -v n="$2" 'BEGIN { for (i = 1; i <= n; i++) printf(\
		"{\"path\":\"/status/204?tenant=%s&job=%d\",\"keys\":{\"tenant\":\"%s\"}}\n",
		tenant, i, tenant) }'
}
control() {
	"$ration" control -c "$config" "$@" >"$folder/control.out" 2>&1
	is "control $*" 0 $?
}

# A store, and the breaker forced open in it: all is read and queued before anything goes. While
# nothing moves the reader doubles each second how many jobs it has ahead, from 64 on; one doubling
# more than needed leaves it room for those that come late.
: >"$folder/none"
started none "$folder/none" -q -c "$config"
ended none $pid 0
control api/breaker open
mkfifo "$folder/jobs"
exec 9<>"$folder/jobs"
started fair "$folder/jobs" -q -c "$config"
fair=$pid
jobs blocked 200 >&9
jobs heavy "$heavy" >&9
jobs light "$light" >&9
sleep "$(awk -v n=$((200 + heavy + light)) 'BEGIN { for (s = 3; n > 64; s++) n /= 2; print s }')"
is "nothing was sent" 0 "$(lines "$log")"
control api/breaker auto
until_true "they go" eval '[ $(lines "$log") -ge 4 ]'

# ---- tenants that come late, one after the other ----
late="a b c d e f"
at=10
for one in $late; do
	at=$((at + 30))
	until_true "a stream" eval '[ $(lines "$log") -ge $at ]'
	echo "late$one $(now_ns)" >>"$folder/came"
	jobs "late$one" 1 >&9
done
until_true "the light one's part" eval '[ $(lines "$log") -ge $((3 * light)) ]'
slay $fair
exec 9>&-
server_quiet

# in order of arrival, one tenant a line
jq -s -r 'sort_by(.mono) | .[] | .query | capture("tenant=(?<t>[a-z]+)").t' "$log" \
	>"$folder/order"
position() {
	grep -n -m 1 "^$1\$" "$folder/order" | cut -d : -f 1
}
say "first of light: request $(position light) of $(lines "$folder/order"), behind $heavy jobs"
# The blocked one's only, one of heavy that had booked, a round, which is 3 of heavy and 1 of light.
most "the light one's first" 6 "$(position light)"
is "the blocked one sent" 1 "$(grep -c '^blocked$' "$folder/order")"
# A round that had begun, one of its own, and what had booked: 12 at most. The way through the pipe
# and the reader counts as well, here in requests of 10 ms, hence as much again.
while read -r one came; do
	between=$(jq -s --argjson t "$came" --arg one "tenant=$one&" '
		(map(select(.query | contains($one)))[0].mono // 1e18) as $to |
		map(select(.mono > $t and .mono < $to)) | length' "$log")
	say "requests between the coming of $one and its first: $between"
	most "requests before the first of $one" 24 "$between"
done <"$folder/came"
# The light one's jobs last for 4 * LIGHT requests: of the first 3 * LIGHT a quarter.
head -n $((3 * light)) "$folder/order" >"$folder/part"
of_heavy=$(grep -c '^heavy$' "$folder/part")
of_light=$(grep -c '^light$' "$folder/part")
ratio=$(awk -v a="$of_heavy" -v b="$of_light" 'BEGIN { printf "%.3f", (b > 0 ? a / b : 0) }')
say "heavy $of_heavy, light $of_light: $ratio"
# a part of a round at the end, and the order on the wire, weigh less in a longer run
least "3 to 1" "$(sized 2.8 2.9)" "$ratio"
most "3 to 1" "$(sized 3.2 3.1)" "$ratio"
finish
