#!/bin/sh
# ration control, and what status and check say about it: a store that one process made, steered by
# another, as the next `ration run` finds it.
. "$(dirname "$0")/run_lib.sh"
start_server
cat >"$folder/fleet.yaml" <<END
services:
  api:
    uris: [$url]
    limits:
      requests: {rate: 100/s, burst: 50, per: [tenant]}
      learned: {initial: 50/s, min: 1/s, max: 100/s, burst: 20}
    quotas:
      daily: {max: 5, window: 24h}
      monthly: {max: 50000, window: month, zone: Europe/Berlin}
    breaker: {trip_after: 5, open_for: 60s}
    concurrency: {algorithm: aimd, per_key: {per: [tenant], max: 5}}
    retry: {attempts: 1}
END
jobs() { # N
	i=0
	while [ $i -lt "$1" ]; do
		echo '{"path":"/status/204","keys":{"tenant":"a,b"}}'
		i=$((i + 1))
	done >"$folder/jobs"
}
send() { # EXIT-CODE WHAT OPTION...
	wanted=$1
	what=$2
	shift 2
	run "$wanted" "$what" run -c "$folder/fleet.yaml" -s api -q "$@" "$folder/jobs"
}
control() { # EXIT-CODE ARGUMENT...
	wanted=$1
	shift
	run "$wanted" "control $*" control "$@"
}

# a view or command makes no store
control 69 api/breaker open
err "no store" '*does not exist*'
is "no store was made" no "$([ -e "$RATION_STORE" ] && echo yes || echo no)"

jobs 2
send 0 "two of five"
run 0 "status" status
is "quota" '*quota        daily: 3 left of 5/1d, next frees in 1 d*' "$(cat "$folder/out")"
is "calendar quota" '*quota        monthly: 49998 left of 50000/month, resets in *' "$(cat "$folder/out")"
is "adaptive" '*adaptive     learned: 50/s now (1/s to 100/s), *' "$(cat "$folder/out")"
is "concurrency" '*concurrency  0 of 20 in flight, learned (aimd, at most 200)*' "$(cat "$folder/out")"
is "breaker" '*breaker      closed*' "$(cat "$folder/out")"

# a breaker by hand: nothing is sent until it is taken back
control 0 api/breaker open --for 1h
is "says nothing" '' "$(cat "$folder/out" "$folder/err")"
run 0 "status" status api
is "forced open" '*breaker      forced-open for 1 h*' "$(cat "$folder/out")"
is "by hand" '*by hand      breaker: forced-open, for 1 h*' "$(cat "$folder/out")"
: >"$log"
send 1 "forced open" --no-wait
out 'map(.error.code)|unique' '\["DENIED_BREAKER"\]'
out 'map(select(.error.message|test("forced open")))|length' 2
is "nothing was sent" 0 "$(sent)"
control 0 --store "$RATION_STORE" api/breaker auto
send 0 "taken back" --no-wait
sent_is "sent again" 2

# one left: more by hand, for all, then back to the first state
jobs 3
send 1 "the quota" --no-wait
out 'map(select(.outcome=="ok"))|length' 1
control 0 api/daily set max=7
send 1 "two more" --no-wait
out 'map(select(.outcome=="ok"))|length' 2
run 0 "status" status
is "set by hand" '*quota        daily: 0 left of 7/1d, *, set by hand*by hand      daily: max 7*' \
	"$(cat "$folder/out")"
control 0 api/daily auto
control 0 api/daily reset
run 0 "status" status
is "reset" '*daily: 5 left of 5/1d*' "$(cat "$folder/out")"
send 0 "after reset" --no-wait

# for one value of a key, which holds a comma
control 0 'api/requests/a\,b' set rate=1/s burst=2
run 0 "status" status
is "one value" '*by hand      requests/a\\,b: rate 1/s, burst 2*' "$(cat "$folder/out")"
control 0 api auto
run 0 "status" status
case $(cat "$folder/out") in
*'by hand'*) is "nothing by hand is left" 'nothing' "$(cat "$folder/out")" ;;
esac

# a backoff signal: the rate falls, and nothing goes for a while
control 0 api backoff --for 1h
run 0 "status" status
is "backoff" '*adaptive     learned: 25/s now *, cools down for *' "$(cat "$folder/out")"
is "cooldown" '*cooldown     nothing goes for 1 h*' "$(cat "$folder/out")"
control 0 api reset
run 0 "status" status
is "all reset" '*adaptive     learned: 50/s now (1/s to 100/s), 20 left of burst 20
*' "$(cat "$folder/out")"

# what is wrong is answered with what would be right, and exit code 2
control 2
err "nothing" '*ration control --help*'
control 2 api
err "no action" '*which action*'
control 2 api/breaker explode
err "action" '*"explode": expected reset, open, disable, auto, backoff, or set*'
control 2 api/requests set colour=5
err "number" '*"colour": expected rate=RATE, burst=NUMBER or max=NUMBER*'
control 2 api/requests set rate=5
err "rate" '*"5": expected a rate such as 3/s*'
control 2 nobody reset
err "service" '*"nobody": no such service; the store knows api*'
control 2 api/nothing reset
err "rule" '*"nothing"*it has learned, requests, daily, monthly, breaker, concurrency, place, cooldown*'
control 2 api/requests/a/b reset
control 2 api/breaker open --for soon
err "time" '*--for: "soon": expected a duration such as 30s*'
control 2 api/daily open
err "no breaker" '*name SERVICE/breaker*'
control 2 api/breaker open --colour
control 78 -c "$folder/none.yaml" api/breaker open
run 0 "help" control --help
is "help" '*--for DURATION*' "$(cat "$folder/out")"

# check says how exact windows are, in comments: what it prints loads again
run 0 "check" check "$folder/fleet.yaml"
is "exact" '*# services.api.quotas.daily: exact*' "$(cat "$folder/out")"
is "calendar" '*# services.api.quotas.monthly: all of it returns when its period begins*' \
	"$(cat "$folder/out")"
cp "$folder/out" "$folder/again.yaml"
run 0 "check again" check "$folder/again.yaml"
sed -i "s/ *# default$//" "$folder/out" "$folder/again.yaml"
is "loads to the same" "" "$(diff "$folder/again.yaml" "$folder/out")"
run 0 "above 1000" check --set services.api.quotas.daily.max=1001 "$folder/fleet.yaml"
is "in parts" '*# services.api.quotas.daily: what was used returns at most 22 min 30 s late*' \
	"$(cat "$folder/out")"
finish
