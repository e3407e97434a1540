#!/bin/bash
# The commands of the README run as they are printed: its blocks marked "run", one after the other
# in one shell, with the port replaced by a free one and a store of its own.
set -u
top=$(cd "${srcdir:-.}" && pwd)
build=$(cd "${RATION_BUILD:-.}" && pwd)
command -v jq >/dev/null 2>&1 || {
	echo "jq is missing"
	exit 77
}
folder=$(mktemp -d) || exit 99
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
failed=0
is() { # WHAT WANTED GOT
	[ "$2" = "$3" ] || {
		echo "not ok: $1: '$3', not '$2'"
		failed=1
	}
}

# a port that was free a moment ago
"$build/src/ration-testserver" --port 0 --port-file "$folder/port" >/dev/null &
for _ in $(seq 600); do
	[ -s "$folder/port" ] && break
	sleep 0.05
done
port=$(cat "$folder/port")
kill %1 && wait %1

mkdir -p "$folder/tree/doc/examples"
ln -s "$build" "$folder/tree/build"
sed "s/8080/$port/" "$top/doc/examples/fleet.yaml" >"$folder/tree/doc/examples/fleet.yaml"
awk '/^<!-- run -->$/ { run = 1; next } /^```sh$/ && run { inside = 1; next }
	/^```$/ { inside = run = 0 } inside { print }' "$top/README.md" |
	sed "s/8080/$port/g" >"$folder/script"
is "blocks to run" yes "$([ "$(wc -l <"$folder/script")" -ge 10 ] && echo yes)"

export RATION_STORE=$folder/store
cd "$folder/tree" || exit 99
( # a server stays up until the last block has run
	trap 'kill $(jobs -p) 2>/dev/null' EXIT
	set -e
	. "$folder/script"
	wait $(jobs -p | sed 1d)
) >"$folder/out" 2>"$folder/err"
is "exit status of all" 0 $?
for results in first:40 second:40 third:40; do
	is "${results%:*}.ndjson" "${results#*:}" \
		"$(jq -r .outcome "${results%:*}.ndjson" 2>/dev/null | grep -c '^ok$')"
done
is "the posted job" '{"title":"x"}' \
	"$(grep '"id":"42"' "$folder/out" | jq -c '.json.body | fromjson? // .')"
is "status shows the service" yes \
	"$(grep -q "^http://127.0.0.1:$port" "$folder/out" && grep -q '^demo' "$folder/out" && echo yes)"

# the error that is shown is the one that comes
wanted=$(awk '/^<!-- error:/ { seen = 1 } seen && /^doc/ { print; exit }' "$top/README.md")
sed -i 's/rate: 20.s,/rate: 3 per sec,/' doc/examples/fleet.yaml
got=$("$build/src/ration" check doc/examples/fleet.yaml 2>&1)
is "its exit status" 78 $?
is "the error shown" "$wanted" "${got#ration check: }"
[ $failed -eq 0 ] || head -n 50 "$folder/out" "$folder/err"
exit $failed
