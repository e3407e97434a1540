#!/bin/sh
# `ration` from outside: options, jobs that go well, services, status, check, exit codes 0 1 2 69 78.
. "$(dirname "$0")/run_lib.sh"
start_server

# ---- help and wrong use ----
"$ration" >"$folder/out" 2>"$folder/err"
is "no command" 2 $?
run 2 "unknown command" frobnicate
err "it is named" '*no such command: frobnicate*'
run 0 "help" --help
run 0 "version" --version
is "version" 'ration [0-9]*.[0-9]*.[0-9]*' "$(cat "$folder/out")"
for command in run status check; do
	run 0 "help of $command" $command --help
	is "help of $command" "Usage: ration $command*" "$(cat "$folder/out")"
	run 0 "help $command" help $command
	run 2 "unknown option of $command" $command --nonsense
	err "it is named" '*no such option: --nonsense*'
done
for option in --config --service --store --rate --burst --quota --concurrency --breaker --retries \
	--timeout --deadline --no-wait --threads --output --set --line-max --quiet; do
	is "$option is documented" 1 "$("$ration" run --help | grep -c -- " $option ")"
done
echo "$url/echo" >"$folder/one"
run 2 "two files" run "$folder/one" "$folder/one"
run 2 "option without value" run "$folder/one" --rate
for bad in '--rate banana' '--rate 0/s' '--burst 3' '--quota 5' '--quota x/24h' '--concurrency 0' \
	'--breaker 5' '--breaker x/1s' '--retries -1' '--timeout 5' '--deadline soon' '--threads 0' \
	'--line-max 5' '--service api'; do
	run 2 "$bad" run $bad "$folder/one"
	[ -s "$folder/err" ] || is "$bad says why" something nothing
	is "$bad sends nothing" 0 "$(lines "$folder/out")"
done
run 78 "--set without value" run --set services.x "$folder/one"
run 78 "--set unknown" run --set "services.\"$url\".nonsense=1" "$folder/one"
err "--set unknown" '*nonsense*'
run 78 "no such configuration" run -c "$folder/none.yaml" "$folder/one"
is "nothing was sent" 0 "$(sent)"

# ---- jobs that go well ----
cat >"$folder/jobs" <<END
# a comment, then an empty line

$url/echo?a=1
  $url/echo  
{"id":"j","method":"POST","url":"$url/echo","json":{"n":123456789012345678901234567890},"meta":{"row":7}}
{"id":"q","url":"$url/echo","query":{"x":"a b"},"headers":{"X-Mine":"yes"}}
{"id":"f","url":"$url/echo","form":{"a":"1"},"deadline":"60s","priority":5}
{"id":"b","url":"$url/echo","body_b64":"aGVsbG8=","idempotency_key":"k1"}
END
run 0 "a file of jobs" run "$folder/jobs"
out length 6
out 'map(.outcome)|unique' '\["ok"\]'
out 'map(.line)|sort' '\[3,4,5,6,7,8\]'
out 'map(select(.id=="j"))[0].meta' '{"row":7}'
out 'map(select(.id=="j"))[0].json.method' '"POST"'
is "numbers pass unchanged" 1 "$(grep -c '123456789012345678901234567890' "$folder/out")"
out 'map(select(.id=="q"))[0].json|tostring|test("x=a%20b")' true
out 'map(select(.id=="f"))[0].json.method' '"POST"'
out 'map(select(.line==3))[0]|[.status,(.attempts|length)]' '\[200,1\]'
err "settings are shown" "*$url: no rate, concurrency 20, breaker 5/60s, 3 attempts*total none*"
err "summary" '*6 jobs in *6 ok; 6 requests sent*'
sent_is "requests" 6
run 0 "standard input" run <"$folder/jobs"
out length 6
run 0 "standard input by name" run - <"$folder/jobs"
out length 6
run 0 "quiet" run -q "$folder/one"
err "quiet" ''
run 0 "no jobs at all" run /dev/null
out length 0
run 0 "to a file" run -o "$folder/results" "$folder/one"
is "to a file" 1 "$(lines "$folder/results")"
rm "$folder/results"

# ---- jobs that fail ----
printf '%s\n' "$url/status/404" "$url/echo" >"$folder/jobs"
run 1 "a 404" run "$folder/jobs"
out 'sort_by(.line)|map(.outcome)' '\["failed","ok"\]'
out 'sort_by(.line)[0].error|[.code,.class]' '\["ENOTFOUND","status"\]'
err "first failure" '*first failure: line 1: *'
run 0 "a 404 accepted" run --set "services.\"$url\".response.accept=[2xx, 404]" \
	--set "services.\"$url\".uris=$url" "$folder/jobs"
echo "http://127.0.0.1:9/" >"$folder/jobs"
run 1 "nobody listens" run --retries 0 "$folder/jobs"
out '.[0].error.class' '"transport"'
echo "{\"url\":\"$url/stall\",\"deadline\":\"300ms\"}" >"$folder/jobs"
run 1 "deadline" run "$folder/jobs"
out '.[0]|[.outcome,.error.class]' '\["failed","timeout"\]'

# ---- services from a file ----
cat >"$folder/fleet.yaml" <<END
version: 1
services:
  api:
    uris: [$url/echo]
    limits: {slow: {rate: 1000/s, burst: 10}}
  other:
    uris: [$url]
END
printf '%s\n' '{"id":"1","service":"api","path":"/x"}' '{"id":"2","service":"other","path":"/echo"}' \
	'{"id":"3","path":"/x"}' '{"id":"4","service":"none","path":"/x"}' \
	'{"id":"5","service":"api","url":"http://elsewhere.example/"}' >"$folder/jobs"
run 1 "services" run -c "$folder/fleet.yaml" "$folder/jobs"
out 'map(select(.outcome=="ok").id)|sort' '\["1","2"\]'
out 'map(select(.id=="1"))[0].json.path' '"/echo/x"'
out 'map(select(.error).error.code)|sort' '\["ESERVICE","ESERVICE","EURL"\]'
err "settings are shown" '*api: slow: rate 1000/s burst 10, concurrency 20*'
run 1 "a service for those without" run -c "$folder/fleet.yaml" -s other --rate 900/s "$folder/jobs"
err "flags are the service's" '*other: rate 900/s burst 900*'
run 2 "which service do flags mean?" run -c "$folder/fleet.yaml" --rate 1/s "$folder/jobs"
run 2 "no such service" run -c "$folder/fleet.yaml" -s nobody "$folder/jobs"

# ---- check ----
run 0 "check" check "$folder/fleet.yaml"
cp "$folder/out" "$folder/again.yaml"
run 0 "check of what check prints" check "$folder/again.yaml"
sed 's/  # default$//' "$folder/again.yaml" >"$folder/all.yaml"
is "it is the same" same "$(cmp -s "$folder/out" "$folder/all.yaml" && echo same)"
sed 's|1000/s|3 per sec|' "$folder/fleet.yaml" >"$folder/bad.yaml"
run 78 "check of a mistake" check "$folder/bad.yaml"
err "place and expectation" \
	"$folder/bad.yaml:5:*: services.api.limits.slow.rate: \"3 per sec\": expected a rate such as *"
run 78 "run with a mistake" run -c "$folder/bad.yaml" "$folder/jobs"
run 78 "check of nothing" check "$folder/none.yaml"
run 2 "check without file" check

# ---- status ----
run 0 "status" status
is "status" "store $folder/store*api*concurrency*" "$(cat "$folder/out")"
run 0 "status as JSON" status --json
out '.[0].services|map(.name)|index("api")|type' '"number"'
run 0 "status of one" status --json other
out '.[0].services|map(.name)' '\["other"\]'
run 69 "status of no store" status --store "$folder/none"
is "status makes no store" no "$([ -e "$folder/none" ] && echo yes || echo no)"
run 69 "store below a file" run --store /dev/null/x "$folder/one"
mkdir "$folder/open" && chmod 777 "$folder/open"
run 69 "store that others may write" run --store "$folder/open" "$folder/one"
[ -s "$folder/err" ] || is "it says why" something nothing
finish
