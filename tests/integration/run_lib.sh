# For tests of `ration run` from outside: a real server, a store of its own, checks that count.
# Sourced; needs jq. Sets folder, ration; RATION_STORE is exported.
set -u
build=${RATION_BUILD:-.}
ration=$build/src/ration
server=$build/src/ration-testserver
for tool in jq timeout; do
	command -v $tool >/dev/null 2>&1 || {
		echo "$tool is missing"
		exit 77
	}
done
folder=$(mktemp -d) || exit 99
export RATION_STORE=$folder/store
failed=0
checks=0
pids=

cleanup() {
	for one in $pids; do kill -9 "$one" 2>/dev/null; done
	rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# is WHAT WANTED-PATTERN GOT
is() {
	checks=$((checks + 1))
	case $3 in
	$2) ;;
	*)
		echo "not ok: $1: '$3' is not '$2'"
		[ -s "$folder/err" ] && sed 's/^/    /' "$folder/err" | head -20
		failed=1
		;;
	esac
}

# start_server OPTION...: sets url, log
start_server() {
	log=$folder/log
	: >"$folder/server.out"
	"$server" --port 0 --log "$log" "$@" >"$folder/server.out" 2>"$folder/server.err" &
	pids="$pids $!"
	until_true "the server starts" grep -q '^listening on ' "$folder/server.out"
	url=$(sed -n 's/^listening on //p' "$folder/server.out")
}

# until_true WHAT COMMAND...: for at most 30 s
until_true() {
	what=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		if [ $tries -gt 600 ]; then
			echo "not ok: $what: does not come"
			failed=1
			return 1
		fi
		sleep 0.05
	done
}

# run EXIT-CODE WHAT ARGUMENT...: `ration`, with out and err in the folder; standard input is passed
run() {
	wanted=$1
	what=$2
	shift 2
	timeout -k 5 120 "$ration" "$@" >"$folder/out" 2>"$folder/err"
	is "$what: exit code" "$wanted" $?
}

# err WHAT PATTERN; out FILTER WANTED: the results through jq -s
err() {
	is "$1" "$2" "$(cat "$folder/err")"
}
out() {
	is "$1" "$2" "$(jq -s -c "$1" "$folder/out" 2>&1)"
}
lines() {
	wc -l <"$1" | tr -d ' '
}
# How many requests the server's log holds
sent() {
	lines "$log"
}
# The server logs a request when it has ended, which may be after the client has its answer
sent_is() {
	until_true "$1" eval "[ \$(sent) -ge $2 ]"
	is "$1" "$2" "$(sent)"
}

finish() {
	echo "$checks checks"
	exit $failed
}
