#!/bin/sh
# Builds libration and shows its main job: two processes that share one rate limit.
# For Debian 12, as root or with sudo; a second run installs and builds nothing.
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/contrib/common.sh"
case ${1:-} in
'') ;;
*)
	echo "Usage: contrib/quickstart.sh"
	echo "Installs what is missing, builds in build/, and runs two processes under one rate limit."
	[ "$1" = --help ] && exit 0
	exit 2
	;;
esac

mkdir -p build
: >build/quickstart.log
say "1/3 packages"
install build/quickstart.log build

say "2/3 build (a minute the first time)"
if [ -x build/config.status ]; then # as check.sh may have left it
	quietly build/quickstart.log make -C build -j"$jobs"
else
	quietly build/quickstart.log configure_in build --enable-testserver
	quietly build/quickstart.log make -C build -j"$jobs"
fi
ration=$top/build/src/ration
echo "build/src/ration is version $("$ration" --version | sed 's/.* //')"

say "3/3 two processes, one rate limit"
folder=$(mktemp -d)
server=''
cleanup() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

: >"$folder/server"
build/src/ration-testserver --port 0 --log "$folder/log" >"$folder/server" &
server=$!
tries=0
until url=$(sed -n 's/^listening on //p' "$folder/server") && [ -n "$url" ]; do
	tries=$((tries + 1))
	[ $tries -lt 200 ] || die "the test server does not start"
	sleep 0.05
done
i=0
while [ $i -lt 40 ]; do
	i=$((i + 1))
	echo "$url/msg?job=$i"
done >"$folder/urls.txt"

echo "A server of our own, 40 URLs for each of two processes, and for both together 20/s, burst 5:"
echo
echo "  \$ ration run --rate 20/s --burst 5 urls.txt > first.ndjson &"
echo "  \$ ration run --rate 20/s --burst 5 urls.txt > second.ndjson"
echo
export RATION_STORE="$folder/store"
flags="--rate 20/s --burst 5"
# shellcheck disable=SC2086
"$ration" run $flags "$folder/urls.txt" >"$folder/first.ndjson" 2>"$folder/first.txt" &
first=$!
# shellcheck disable=SC2086
"$ration" run $flags "$folder/urls.txt" >"$folder/second.ndjson" 2>"$folder/second.txt" &
second=$!
tries=0
until [ -s "$folder/first.ndjson" ] && [ -s "$folder/second.ndjson" ] || [ $tries -ge 100 ]; do
	tries=$((tries + 1))
	sleep 0.05
done
echo "While they run:"
echo
echo "  \$ ration status"
"$ration" status | sed 's/^/  /'
echo
status=0
wait "$first" || status=$?
wait "$second" || status=$?
echo "At the end each says:"
tail -n 1 "$folder/first.txt" | sed 's/^/  /'
tail -n 1 "$folder/second.txt" | sed 's/^/  /'
echo "A result is a line of JSON:"
head -n 1 "$folder/first.ndjson" | cut -c 1-100 | sed 's/^/  /; s/$/…/'
[ $status -eq 0 ] || die "a process ended with status $status"

# The server is the judge: what it saw, in nanoseconds of one clock, whoever sent it.
kill "$server" && wait "$server" || :
server=''
echo "What the server saw of both:"
sed -n 's/.*"mono":\([0-9]*\).*/\1/p' "$folder/log" | sort -n | awk '
	{ t[NR] = $1 / 1e9 }
	END {
		for (i = first = 1; i <= NR; i++) {
			while (t[i] - t[first] >= 1) first++
			if (i - first + 1 > most) most = i - first + 1
		}
		printf "  %d requests in %.1f s; at most %d in any second (5 + 20 allowed)\n",
			NR, t[NR] - t[1], most
		exit !(NR == 80 && most <= 5 + 20 * 1.05)
	}' || die "the two processes did not share the limit"
echo
echo "Next: README.md; contrib/check.sh runs the tests; make -C build install installs."
