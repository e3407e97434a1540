#!/bin/sh
# Quotas survive: in each round two `ration run`s send under a quota of the round's own; one is
# killed (SIGKILL) and replaced, hot/ is deleted, the other is killed and replaced, in an order and
# at moments that nobody knows. Never more than the quota reaches the server. What is lost is at
# most a reservation each: an eighth of the quota for one that is written each second; with `sync`
# nothing, but calls that were admitted and not sent when their process was killed.
# In rounds of a third kind (`kept`: sync too) hot/ is deleted three times, each time one more
# process comes, and nobody is killed: there every unit reaches the server.
. "$(dirname "$0")/lib.sh"
rounds=$(sized 15 335)
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
$(for kind in sync kept; do
	echo "  $kind:"
	echo "    uris: [$url]"
	echo "    concurrency: $in_flight"
	echo "    breaker: off"
	echo "    quotas: {daily: {max: $quota, window: 24h, per: [round], durable: sync}}"
done)
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
		kills=$((kills + 1))
		sender
		a=$pid
		;;
	b)
		slay $b
		kills=$((kills + 1))
		sender
		b=$pid
		;;
	hot)
		"$age" "$RATION_STORE"
		rm -rf "$folder/hot"
		deletions=$((deletions + 1))
		;;
	more) # it finds that hot/ is gone, and tells those that have it open
		sender
		all="$all $pid"
		;;
	esac
}
order() {
	awk -v seed="$1" 'BEGIN { srand(seed); rand(); n = int(rand() * 6)
		split("a b hot,a hot b,b a hot,b hot a,hot a b,hot b a", o, ","); print o[n + 1] }'
}

# Each kind has the rounds that leave these when divided by five.
kind_of() {
	case $(($1 % 5)) in
	0) echo kept ;;
	1 | 3) echo timed ;;
	*) echo sync ;;
	esac
}

number=0
kills=0
deletions=0
round=0
while [ $round -lt "$rounds" ]; do
	round=$((round + 1))
	kind=$(kind_of $round)
	awk -v n=$((quota + 80)) -v kind=$kind -v r=$round 'BEGIN { for (i = 1; i <= n; i++) printf(\
		"{\"service\":\"%s\",\"keys\":{\"round\":\"%d\"},\"path\":\"/msg?delay=3&r=%d&%s\"}\n",
		kind, r, r, kind) }' >"$folder/jobs"
	sender
	a=$pid
	sender
	b=$pid
	all=
	events=$(order $$$round)
	[ $kind = kept ] && events="hot more hot more hot more"
	for event in $events; do
		[ "$event" = more ] || pause 0.01 0.15
		strike "$event"
	done
	# Nobody is struck any more; what is left of the quota is used up, also when these came
	# while the store was being mended and gave up.
	# shellcheck disable=SC2086
	wait $a $b $all
	"$age" "$RATION_STORE"
	sender
	wait $pid
	rm -f "$folder"/out.* # the log is the judge; thousands of results would fill the disk
done
server_quiet

# KIND ROUND, counted
jq -r '.query | capture("r=(?<r>[0-9]+)&(?<kind>[a-z]+)") | .kind + " " + .r' "$log" |
	sort | uniq -c >"$folder/sent"
for kind in timed sync kept; do
	round=0
	while [ $round -lt "$rounds" ]; do
		round=$((round + 1))
		[ "$(kind_of $round)" = $kind ] && echo $round
	done >"$folder/rounds"
	awk -v kind=$kind -v quota=$quota '
		FILENAME ~ /sent$/ { if ($2 == kind) sent[$3] = $1; next }
		{
			s = sent[$1] + 0
			if (n++ == 0 || s < least) least = s
			if (s > most) most = s
			lost += quota - s
		}
		END { print n, least, most + 0, lost }' "$folder/sent" "$folder/rounds" \
		>"$folder/figures"
	read -r n least most lost <"$folder/figures"
	say "$kind: $n rounds, sent of $quota: least $least, most $most, lost in all $lost," \
		"a round $(awk -v l="$lost" -v n="$n" 'BEGIN { printf "%.2f", l / n }')"
	most "$kind: sent of the quota" $quota "$most"
	# each of two kills: what was admitted and not sent; a deletion: the reservation
	case $kind in
	timed) allowed=$((2 * in_flight + quota / 8)) ;;
	sync) allowed=$((2 * in_flight)) ;;
	kept) allowed=0 ;;
	esac
	least "$kind: sent of the quota" $((quota - allowed)) "$least"
done
say "$kills kills, $deletions deletions of hot/"
finish
