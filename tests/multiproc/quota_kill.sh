#!/bin/sh
# Quotas survive: in each round two `ration run`s send under a quota of the round's own; one is
# killed (SIGKILL) and replaced, hot/ is deleted, the other is killed and replaced, in an order and
# at moments that nobody knows. Never more than the quota reaches the server. What is lost is at
# most a reservation each, an eighth of the quota for one that is written each second; with `sync`
# nothing but what the killed were about to send.
. "$(dirname "$0")/lib.sh"
rounds=$(sized 14 334)
age=$build/tests/multiproc/age
quota=320
in_flight=4
start_server

configure <<END
version: 1
store: {hot_path: $folder/hot}
services:
  timed:
    uris: [$url]
    concurrency: $in_flight
    breaker: off
    quotas: {daily: {max: $quota, window: 24h, per: [round], durable: 1s}}
  sync:
    uris: [$url]
    concurrency: $in_flight
    breaker: off
    quotas: {daily: {max: $quota, window: 24h, per: [round], durable: sync}}
END

# More jobs than the quota, for each process alone
sender() {
	number=$((number + 1))
	started $number "$folder/jobs" -q -c "$config" --no-wait
}
strike() {
	case $1 in
	a)
		slay $a
		sender
		a=$pid
		;;
	b)
		slay $b
		sender
		b=$pid
		;;
	hot)
		"$age" "$RATION_STORE"
		rm -rf "$folder/hot"
		;;
	esac
}
order() {
	awk -v seed="$1" 'BEGIN { srand(seed); rand(); n = int(rand() * 6)
		split("a b hot,a hot b,b a hot,b hot a,hot a b,hot b a", o, ","); print o[n + 1] }'
}

number=0
round=0
while [ $round -lt "$rounds" ]; do
	round=$((round + 1))
	kind=timed
	[ $((round % 2)) -eq 0 ] && kind=sync
	awk -v n=$((quota + 80)) -v kind=$kind -v r=$round 'BEGIN { for (i = 1; i <= n; i++) printf(\
		"{\"service\":\"%s\",\"keys\":{\"round\":\"%d\"},\"path\":\"/msg?delay=3&r=%d&%s\"}\n",
		kind, r, r, kind) }' >"$folder/jobs"
	sender
	a=$pid
	sender
	b=$pid
	for event in $(order $$$round); do
		pause 0.01 0.15
		strike "$event"
	done
	# Nobody is struck any more; what is left of the quota is used up, also when these two came
	# while the store was being mended and gave up.
	wait $a $b
	"$age" "$RATION_STORE"
	sender
	wait $pid
	rm -f "$folder"/out.* # the log is the judge; thousands of results would fill the disk
done
server_quiet

# KIND ROUND, counted
jq -r '.query | capture("r=(?<r>[0-9]+)&(?<kind>[a-z]+)") | .kind + " " + .r' "$log" |
	sort | uniq -c >"$folder/sent"
for kind in timed sync; do
	awk -v kind=$kind -v rounds="$rounds" -v quota=$quota '
		$2 == kind { sent[$3] = $1 }
		END {
			least = quota; most = 0; lost = 0
			for (r = 1; r <= rounds; r++) {
				if ((r % 2 == 0) != (kind == "sync")) continue
				n++; s = sent[r] + 0
				if (s < least) least = s
				if (s > most) most = s
				lost += quota - s
			}
			print n, least, most, lost
		}' "$folder/sent" >"$folder/figures"
	read -r n least most lost <"$folder/figures"
	say "$kind: $n rounds, sent of $quota: least $least, most $most, lost in all $lost"
	most "$kind: sent of the quota" $quota "$most"
	# a reservation for the deletion; each of two kills, what it had asked for and not sent
	allowed=$((2 * in_flight))
	[ $kind = timed ] && allowed=$((allowed + quota / 8))
	least "$kind: sent of the quota" $((quota - allowed)) "$least"
done
say "$((2 * rounds)) kills, $rounds deletions of hot/"
finish
