#!/bin/sh
# The benchmark: ratios in one run on the same cores. The governed pool beside a bare libcurl loop,
# one shared decision beside one raw LMDB transaction, and what a queued job costs in memory.
# Run by `make bench` in the build folder; prints a table and writes bench.json there.
# nginx is pinned to one core and the client to another; rounds alternate, medians count.
build=$PWD
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/contrib/common.sh"
cd "$build"

rounds=7 requests=60000 connections=64
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2 && shift ;;
	--requests) requests=$2 && shift ;;
	--connections) connections=$2 && shift ;;
	*)
		echo "Usage: make bench BENCH_FLAGS='[--rounds N] [--requests N] [--connections N]'"
		[ "$1" = --help ] && exit 0
		exit 2
		;;
	esac
	shift
done
[ -x tests/bench/pool_bench ] || die "run it as: make bench"
PATH=$PATH:/usr/sbin
command -v nginx >/dev/null 2>&1 || packages_install bench

folder=$(mktemp -d)
nginx=''
cleanup() {
	[ -z "$nginx" ] || kill "$nginx" 2>/dev/null || :
	rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir "$folder/nginx"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/key.pem" \
	-out "$folder/ca.pem" -days 2 -subj /CN=bench -addext subjectAltName=IP:127.0.0.1 \
	2>/dev/null || die "openssl makes no certificate"

if [ "$jobs" -ge 2 ] && taskset -c 1 true 2>/dev/null; then
	on_server='taskset -c 0' on_client='taskset -c 1' cores="server on core 0, client on core 1"
else
	on_server='' on_client='' cores="one core for both: the ratios say little"
fi

# A free port: nginx says when it was not.
start_nginx() {
	port=$1
	cat >"$folder/nginx.conf" <<END
daemon off;
worker_processes 1;
pid $folder/nginx/pid;
error_log $folder/nginx/error.log warn;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 1000000000;
	keepalive_timeout 1h;
	client_body_temp_path $folder/nginx/1;
	proxy_temp_path $folder/nginx/2;
	fastcgi_temp_path $folder/nginx/3;
	uwsgi_temp_path $folder/nginx/4;
	scgi_temp_path $folder/nginx/5;
	server {
		listen 127.0.0.1:$port;
		listen 127.0.0.1:$((port + 1)) ssl http2;
		ssl_certificate $folder/ca.pem;
		ssl_certificate_key $folder/key.pem;
		location / { default_type text/plain; return 200 "ok"; }
	}
}
END
	# shellcheck disable=SC2086
	$on_server nginx -p "$folder/nginx" -e "$folder/nginx/error.log" -c "$folder/nginx.conf" \
		2>/dev/null &
	nginx=$!
	tries=0
	while [ $tries -lt 100 ]; do
		[ -s "$folder/nginx/pid" ] && return 0
		kill -0 "$nginx" 2>/dev/null || break
		tries=$((tries + 1))
		sleep 0.05
	done
	return 1
}
port=20080
until start_nginx $port; do
	port=$((port + 2))
	[ $port -lt 20180 ] || {
		cat "$folder/nginx/error.log" >&2
		die "nginx does not start"
	}
done
url=http://127.0.0.1:$port/ tls_url=https://127.0.0.1:$((port + 1))/

# one NAME PROGRAM ARGUMENTS...: its requests per second
one() {
	name=$1 program=$2
	shift 2
	# shellcheck disable=SC2086
	$on_client "tests/bench/$program" "$@" >"$folder/out" ||
		die "tests/bench/$program failed: $(cat "$folder/out")"
	sed -n '1s/^\([0-9][0-9.]*\).*/\1/p' "$folder/out" >>"$folder/$name"
}
last() { tail -n 1 "$folder/$1"; }
# secure NAME VERSION: both over TLS, with that HTTP
secure() {
	one "bare_$1" bare_loop "$tls_url" "$requests" "$connections" "$folder/ca.pem" "$2"
	one "pool_$1" pool_bench "$tls_url" "$requests" "$connections" 1 1 "$folder/ca.pem" "$2"
}
say "$rounds rounds of $requests requests over $connections connections; $cores"
i=0
while [ $i -lt "$rounds" ]; do
	i=$((i + 1))
	one bare_loop bare_loop "$url" "$requests" "$connections"
	one multi_loop multi_loop "$url" "$requests" "$connections"
	one pool_bench pool_bench "$url" "$requests" "$connections"
	secure tls 1.1
	secure h2 2
	printf '  round %d: bare %s, transfers alone %s, governed %s; TLS %s, %s; HTTP/2 %s, %s\n' \
		$i "$(last bare_loop)" "$(last multi_loop)" "$(last pool_bench)" \
		"$(last bare_tls)" "$(last pool_tls)" "$(last bare_h2)" "$(last pool_h2)"
done
# shellcheck disable=SC2086
$on_client tests/bench/decision --json >"$folder/decision"
# shellcheck disable=SC2086
$on_client tests/bench/job_memory --json >"$folder/memory"
# shellcheck disable=SC2086
$on_client tests/bench/keys --json >"$folder/keys"

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# field FILE NAME: a number of a flat JSON object
field() { sed -n "s/.*\"$2\":\\([0-9.-]*\\).*/\\1/p" "$1"; }
# ratio NAME BARE: the median of the rounds' ratios to the bare loop, which another load on the
# machine between rounds does not move
ratio() {
	paste "$folder/$1" "$folder/$2" | awk '{ printf "%.4f\n", $1 / $2 }' >"$folder/ratios"
	printf '%.2f' "$(median "$folder/ratios")"
}
bare=$(median "$folder/bare_loop")
multi=$(median "$folder/multi_loop") multi_ratio=$(ratio multi_loop bare_loop)
pool=$(median "$folder/pool_bench") pool_ratio=$(ratio pool_bench bare_loop)
tls=$(median "$folder/pool_tls") tls_ratio=$(ratio pool_tls bare_tls)
h2=$(median "$folder/pool_h2") h2_ratio=$(ratio pool_h2 bare_h2)

say "medians"
row() { printf '  %-44s %12s %8s   %s\n' "$1" "$2" "$3" "$4"; }
row what measured ratio wanted
row 'bare libcurl loop, requests/s' "$bare" '' ''
row 'transfers alone, requests/s' "$multi" "$multi_ratio" ''
row 'governed pool, all policies on, requests/s' "$pool" "$pool_ratio" '>= 1.00, goal 1.15'
row 'bare loop over TLS, requests/s' "$(median "$folder/bare_tls")" '' ''
row 'governed pool over TLS, requests/s' "$tls" "$tls_ratio" ''
row 'bare loop, HTTP/2, requests/s' "$(median "$folder/bare_h2")" '' ''
row 'governed pool, HTTP/2, requests/s' "$h2" "$h2_ratio" ''
row 'raw LMDB transaction, us' "$(field "$folder/decision" raw_us)" '' ''
row 'one shared decision, us' "$(field "$folder/decision" decision_us)" \
	"$(field "$folder/decision" decision_ratio)" '<= 1.50'
row 'all policies, admitted and settled, us' "$(field "$folder/decision" all_us)" \
	"$(field "$folder/decision" all_ratio)" '<= 3.00'
row 'the same, and a window of tokens, us' "$(field "$folder/decision" window_us)" \
	"$(field "$folder/decision" window_ratio)" ''
row 'the same as all, the rate learned, us' "$(field "$folder/decision" adaptive_us)" \
	"$(field "$folder/decision" adaptive_ratio)" ''
row 'a record among a million, at random, us' "$(field "$folder/keys" record_us)" '' '<= 2.5'
row 'ten keys after the sweep, to a fresh store' "$(field "$folder/keys" ten_keys_swept_us)" \
	"$(field "$folder/keys" ten_keys_ratio)" '<= 1.20'
row 'hot/ with a million, swept, fresh, MiB' "$(field "$folder/keys" hot_mib)" '' \
	"$(field "$folder/keys" hot_swept_mib), $(field "$folder/keys" hot_fresh_mib)"
row 'a queued job over its own bytes, one lane' "$(field "$folder/memory" one_lane_bytes)" '' '<= 256'
row 'the same, each in a lane of its own' "$(field "$folder/memory" own_lane_bytes)" '' ''

{
	printf '{"cores":"%s","rounds":%d,"requests":%d,"connections":%d,' \
		"$cores" "$rounds" "$requests" "$connections"
	printf '"bare_per_s":%s,"transfers_per_s":%s,"transfers_ratio":%s,' \
		"$bare" "$multi" "$multi_ratio"
	printf '"governed_per_s":%s,"governed_ratio":%s,' "$pool" "$pool_ratio"
	printf '"tls_per_s":%s,"tls_ratio":%s,"http2_per_s":%s,"http2_ratio":%s,' \
		"$tls" "$tls_ratio" "$h2" "$h2_ratio"
	printf '"decision":%s,"memory":%s,"keys":%s}\n' "$(cat "$folder/decision")" \
		"$(cat "$folder/memory")" "$(cat "$folder/keys")"
} >bench.json
echo "  (also in $build/bench.json)"
