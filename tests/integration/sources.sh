#!/bin/sh
# Where the commands' settings come from: several files, environments in them, variables, options;
# which of them wins; and that a token that stands in one of them is shown nowhere.
. "$(dirname "$0")/run_lib.sh"
start_server
unset RATION_ENV
secret=c4nary-7f3a

cat >"$folder/a.yaml" <<END
services:
  api:
    uris: [$url]
    auth: {bearer: $secret}
    timeouts: {connect: 1s, read: 1s, write: 1s, attempt: 11s}
environments:
  production: {services: {api: {timeouts: {read: 3s, write: 3s, attempt: 13s}}}}
  staging: {}
END
cat >"$folder/b.yaml" <<END
services: {api: {timeouts: {connect: 2s, read: 2s}}}
END

# what COMMAND... sets: connect, read, write, attempt
check() {
	env="$1"
	shift
	env $env timeout 60 "$ration" check "$@" >"$folder/out" 2>"$folder/err"
	sed -n '/^    timeouts:/,/^    [^ ]/p' "$folder/out" |
		sed -n 's/^      \(connect\|read\|write\|attempt\): \([0-9a-z]*\).*/\2/p' | tr '\n' ' '
}
is "one file" '1s 1s 1s 11s ' "$(check A=1 "$folder/a.yaml")"
is "later files win" '2s 2s 1s 11s ' "$(check A=1 "$folder/a.yaml" "$folder/b.yaml")"
is "the other way round" '1s 1s 1s 11s ' "$(check A=1 "$folder/b.yaml" "$folder/a.yaml")"
is "an environment holds over files" '2s 3s 3s 13s ' \
	"$(check A=1 --env production "$folder/a.yaml" "$folder/b.yaml")"
is "by a variable too" '1s 3s 3s 13s ' "$(check RATION_ENV=production "$folder/a.yaml")"
is "the option wins over it" '1s 1s 1s 11s ' \
	"$(check RATION_ENV=production --env staging "$folder/a.yaml")"
is "R9: variables hold over environments" '1s 3s 4s 13s ' \
	"$(check 'RATION_ENV=production RATION__SERVICES__API__TIMEOUTS__WRITE=4s' "$folder/a.yaml")"
is "--set holds over variables" '1s 1s 5s 11s ' \
	"$(check RATION__services__api__timeouts__write=4s \
		--set services.api.timeouts.write=5s "$folder/a.yaml")"
is "no token is shown" 0 "$(grep -c "$secret" "$folder/out")"

run 78 "an unknown environment" check --env nowhere "$folder/a.yaml"
err "says which there are" '"nowhere": no such environment; known are production, staging'
RATION__SERVICES__API__TIMEOUTS__READ=$secret
export RATION__SERVICES__API__TIMEOUTS__READ
for command in "check $folder/a.yaml" "run -c $folder/a.yaml" status "control api auto"; do
	run 78 "a bad variable: $command" $command </dev/null
	err "is named: $command" '*RATION__SERVICES__API__TIMEOUTS__READ: services.api.timeouts.read: *'
done
unset RATION__SERVICES__API__TIMEOUTS__READ

# the same for run, which says what holds
echo /status/204 >"$folder/jobs"
run 0 "run with both files" run -c "$folder/a.yaml" -c "$folder/b.yaml" --env production \
	"$folder/jobs"
err "and an environment" '*timeouts connect 2s read 3s write 3s attempt 13s total none*'
is "no token on standard error" 0 "$(grep -c "$secret" "$folder/err")"
is "nor in results" 0 "$(grep -c "$secret" "$folder/out")"
run 0 "R22: a profile" run -c "$folder/a.yaml" --profile high-throughput "$folder/jobs"
err "gives defaults only" '*concurrency 100*2 attempts, timeouts connect 1s*'
RATION__SERVICES__W__URIS=$url
export RATION__SERVICES__W__URIS
run 0 "a service by variable alone" run "$folder/jobs"
out 'map(.outcome)' '\["ok"\]'
unset RATION__SERVICES__W__URIS
echo "$url/status/204" >"$folder/jobs"
export RATION_ENV=somewhere
run 0 "without files \$RATION_ENV is no concern" run "$folder/jobs"
run 2 "a service of no file" run -c "$folder/b.yaml" --env '' --service other "$folder/jobs"
unset RATION_ENV
sent_is "each job was sent once" 4
finish
