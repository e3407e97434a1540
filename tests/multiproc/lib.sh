# For tests of several processes on one store, judged by the log of a real server.
# Sourced by sh scripts. FULL=1 runs the sizes that the requirements name, else quick ones.
#
# Each script prints figures, exits 0 (holds), 1 (does not hold) or 77 (cannot be tried here), and
# ends what it started by its pid. RATION_BUILD is the build's folder.
#
# KEEP=1 leaves the log, the results and the store of a run that failed.
# GUARDED_STORE=apart gives each process of a fleet a store of its own: a run that must fail, which
# shows that the judge can say no.
set -u
build=${RATION_BUILD:-.}
ration=$build/src/ration
server=$build/src/ration-testserver
judge=$build/tests/multiproc/judge
full=${FULL:-0}
for tool in awk curl jq timeout; do
	command -v $tool >/dev/null 2>&1 || {
		echo "$tool is missing"
		exit 77
	}
done
for program in "$ration" "$server" "$judge"; do
	[ -x "$program" ] || {
		echo "$program is missing: RATION_BUILD is the build's folder"
		exit 99
	}
done
folder=$(mktemp -d) || exit 99
export RATION_STORE="$folder/store"
failed=0
checks=0
pids=

# What is stopped (SIGSTOP) dies of SIGKILL too.
cleanup() {
	for one in $pids; do kill -9 "$one" 2>/dev/null; done
	if [ "${KEEP:-0}" = 1 ] && [ $failed -ne 0 ]; then
		echo "kept: $folder"
	else
		rm -rf "$folder"
	fi
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

say() {
	echo "$(basename "$0" .sh): $*"
}

# sized QUICK FULL: one of them
sized() {
	if [ "$full" = 1 ]; then echo "$2"; else echo "$1"; fi
}

# is WHAT WANTED-PATTERN GOT
is() {
	checks=$((checks + 1))
	case $3 in
	$2) ;;
	*)
		say "not ok: $1: '$3' is not '$2'"
		failed=1
		;;
	esac
}

# holds WHAT COMMAND...: it exits 0; its output is a figure that is printed
holds() {
	checks=$((checks + 1))
	name=$1
	shift
	if figure=$("$@" 2>&1); then
		say "$name: $figure"
	else
		say "not ok: $name: $figure"
		failed=1
	fi
}

# least WHAT MINIMUM GOT; most WHAT MAXIMUM GOT: for numbers with fractions too
least() {
	checks=$((checks + 1))
	awk -v want="$2" -v got="$3" 'BEGIN { exit !(got != "" && got + 0 >= want + 0) }' || {
		say "not ok: $1: $3 is not at least $2"
		failed=1
	}
}
most() {
	checks=$((checks + 1))
	awk -v want="$2" -v got="$3" 'BEGIN { exit !(got != "" && got + 0 <= want + 0) }' || {
		say "not ok: $1: $3 is more than $2"
		failed=1
	}
}

# What is true of a machine that has time for us: printed, and judged by FULL=1 alone.
timely() { # least|most WHAT WANTED GOT
	if [ "$full" = 1 ]; then
		"$@"
	else
		say "$2: $4 (FULL=1 wants $1 $3)"
	fi
}

# until_true WHAT COMMAND...: for at most 60 s
until_true() {
	what=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		if [ $tries -gt 1200 ]; then
			say "not ok: $what: does not come"
			failed=1
			return 1
		fi
		sleep 0.05
	done
}

lines() {
	wc -l <"$1" | tr -d ' '
}

# start_server OPTION...: sets url, log and server_pid
start_server() {
	log=$folder/log
	: >"$log"
	: >"$folder/server.out"
	"$server" --port 0 --log "$log" "$@" >"$folder/server.out" 2>"$folder/server.err" &
	server_pid=$!
	pids="$pids $server_pid"
	until_true "the server starts" grep -q '^listening on ' "$folder/server.out" || exit 1
	url=$(sed -n 's/^listening on //p' "$folder/server.out")
}

# stat NAME: a number of the server's, as it stands now
stat() {
	curl -s "$url/stats" | jq -r ".$1"
}

# quiet: until no request is in flight and the log is complete
server_idle() {
	[ "$(stat in_flight)" = 0 ] && [ "$(stat requests)" = "$(lines "$log")" ]
}
server_quiet() {
	until_true "the server has answered all" server_idle
}

# fresh: another store, an empty log
fresh() {
	server_quiet
	rm -rf "$RATION_STORE" "$folder"/apart.*
	: >"$log"
	curl -s -X POST "$url/stats/reset" >/dev/null
	curl -s -X POST "$url/fail/reset" >/dev/null
	curl -s -X POST "$url/limits/reset" >/dev/null
}

# now_ns: the clock of the log, to a hundredth of a second, rounded down
now_ns() {
	awk '{ printf "%.0f", $1 * 1e9 }' /proc/uptime
}

# many N TARGET: N URLs that differ in ?job=K, or &job=K
many() {
	case $2 in
	*\?*) separator='&' ;;
	*) separator='?' ;;
	esac
	awk -v n="$1" -v at="$url$2${separator}job=" 'BEGIN { for (i = 1; i <= n; i++) print at i }'
}

# started NAME JOBS ARGUMENT...: `ration run` in the background, results in out.NAME, messages in
# err.NAME; sets pid
started() {
	name=$1
	jobs=$2
	shift 2
	[ "${GUARDED_STORE:-}" = apart ] && set -- --store "$folder/apart.$name" "$@"
	"$ration" run "$@" "$jobs" >"$folder/out.$name" 2>"$folder/err.$name" &
	pid=$!
	pids="$pids $pid"
}

# configure: the file of the fleet, from standard input; its services are http://... of $url
configure() {
	config=$folder/fleet.yaml
	cat >"$config"
	"$ration" check "$config" >/dev/null || exit 1
}

# pause LEAST MOST: for a random number of seconds between them
pause() {
	dice=$((${dice:-$$} + 1))
	sleep "$(awk -v seed="$dice" -v a="$1" -v b="$2" 'BEGIN { srand(seed); rand()
		printf "%.4f", a + rand() * (b - a) }')"
}

# slay PID...: SIGKILL, and gone when it returns
slay() {
	kill -9 "$@" 2>/dev/null
	wait "$@" 2>/dev/null
}

# ended NAME PID CODE-PATTERN
ended() {
	wait "$2"
	code=$?
	is "$1: exit code" "$3" $code
	case $code in
	$3) ;;
	*) tail -n 3 "$folder/err.$1" ;;
	esac
}

# results FILTER NAME...: results of these through jq -s
results() {
	filter=$1
	shift
	for one in "$@"; do cat "$folder/out.$one"; done | jq -s -c "$filter" 2>&1
}

finish() {
	say "$checks checks, $([ $failed -eq 0 ] && echo ok || echo FAILED)"
	exit $failed
}
