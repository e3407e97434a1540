#!/bin/sh
# True costs are read from the answers and settle a limit of tokens, both ways: calls that turn out
# cheaper than estimated make room for others, and what dearer ones used too much is not spent again.
# Four processes; the window never frees, so what has been sent when they fall silent is all.
. "$(dirname "$0")/lib.sh"
tokens=$(sized 20000 90000)
estimate=200
in_flight=8
start_server

configure <<END
version: 1
services:
  body:
    uris: [$url]
    concurrency: $in_flight
    limits:
      tokens: {max: $tokens, window: 24h, unit: tokens, estimate: $estimate, actual: "body:/usage/total_tokens"}
  header:
    uris: [$url]
    concurrency: $in_flight
    limits:
      tokens: {max: $tokens, window: 24h, unit: tokens, estimate: $estimate, actual: "header:x-cost"}
END

still() {
	before=$(stat requests)
	sleep 1
	[ "$before" -gt 0 ] && [ "$(stat requests)" = "$before" ]
}
# settled NAME SERVICE TRUE-COST LEAST MOST: of tokens in all
settled() {
	fresh
	awk -v service="$2" -v cost="$3" 'BEGIN { for (i = 1; i <= 20000; i++)
		printf "{\"service\":\"%s\",\"path\":\"/usage?total_tokens=%s&job=%d\"}\n",
			service, cost, i }' >"$folder/jobs"
	all=
	for i in 1 2 3 4; do
		started $i "$folder/jobs" -c "$config"
		all="$all $pid"
	done
	until_true "$1: nothing more can be sent" still
	# shellcheck disable=SC2086
	slay $all
	server_quiet
	sum=$(jq -s 'map(.cost) | add' "$log")
	say "$1: $(lines "$log") calls, $sum of $tokens tokens"
	least "$1: used" "$4" "$sum"
	most "$1: used" "$5" "$sum"
	is "$1: each result says both" "\[{\"estimated\":$estimate,\"actual\":$3}\]" \
		"$(results 'map(.cost.tokens) | unique' 1 2 3 4)"
}

# Cheaper: until less than an estimate is left.
settled "cheaper, by body" body 20 $((tokens - estimate)) "$tokens"
settled "cheaper, by header" header 20.5 $((tokens - estimate)) "$tokens"
# Dearer: by no more than those in flight together had estimated too little.
most=$((tokens + in_flight * (1000 - estimate)))
settled "dearer, by body" body 1000 $((tokens - estimate)) $most
settled "dearer, by header" header 1000 $((tokens - estimate)) $most
# As estimated
settled "as estimated" body $estimate $((tokens - estimate)) "$tokens"
finish
