/* The command line of the test server. */
#include "config.h"

#include "testserver/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "testserver/server.h"

enum { USAGE_ERROR = 2 };

static const char usage[] =
	"Usage: ration-testserver [OPTION]...\n"
	"An HTTP server to test clients against: it counts exactly and misbehaves on demand.\n"
	"\n"
	"  --port N          listen on port N; 0 (the default) takes a free one\n"
	"  --address ADDR    listen on this numeric address [127.0.0.1]\n"
	"  --port-file FILE  write the port to FILE once the server listens\n"
	"  --log FILE        append one JSON line a request to FILE\n"
	"  --token-file FILE answer 401 to requests without \"Authorization: Bearer TOKEN\"; TOKEN is "
	"the\n                    first line of FILE, read for each request\n"
	"  --concurrency N   answer 503 to requests above N in flight\n"
	"  --timeout MS      answer 408 after MS when the delay asked for is longer\n"
	"  --limit N/T[,..]  enforce a rate: a token bucket, N in T (s, min, h, 10s, 250ms ...)\n"
	"  --window N/T[,..] enforce a window: at most N in every T\n"
	"  --rate N/T[:B]    the same as --limit N/T[,burst=B]\n"
	"  --help            show this text\n"
	"  --version         show the version\n"
	"\n"
	"Up to four limits hold together: a request takes from all of them or is refused by the one "
	"it\nwould wait for longest and takes from none. What may follow, separated by commas:\n"
	"  burst=B                 of a rate: B at once [N, at least 1]\n"
	"  answer=429|503          status of a refusal [429]\n"
	"  retry_after=on|off|S    Retry-After of a refusal: whole seconds until it would pass, at "
	"least 1\n                          [on]; none; or S\n"
	"  fields=ratelimit|x-ratelimit|none\n"
	"                          what all answers say of the limit: RateLimit and RateLimit-Policy, "
	"or\n                          X-RateLimit-Limit, -Remaining and -Reset (with -NAME behind "
	"them\n                          when there is a name) [none]\n"
	"  count=requests|cost     what is counted: 1 each, or the request's cost [requests]: its "
	"header\n                          X-Cost, or total_tokens of /usage; else 1\n"
	"  key=HEADER              each value of the header has a limit of its own\n"
	"  name=NAME               what the log and the fields call it [rate, window]\n"
	"\n"
	"The first line of output is: listening on http://ADDRESS:PORT\n"
	"SIGTERM or SIGINT ends the server, its log complete.\n"
	"\n"
	"Answers (?delay=MS, 0 to 30000, is understood everywhere except by steering and /health)\n"
	"  GET /msg                a message_id; the same for a repeated Idempotency-Key or, "
	"without\n                          one, X-Request-ID (1000 ids, 300 s)\n"
	"  /status/CODE            200 to 599; ?retry_after=VALUE adds Retry-After,\n"
	"                          ?ratelimit=LIMIT,REMAINING,RESET[,WINDOW] RateLimit, "
	"RateLimit-Policy\n                          and X-RateLimit-*\n"
	"  /redirect/CODE          300 to 399, to ?to=URL, or to itself\n"
	"  /echo, /anything        method, path, query, headers and body as JSON, also for "
	"sub-paths\n  /bytes/N                N bytes\n"
	"  /slow                   ?bytes=N [10], one each ?interval_ms=M [100]\n"
	"  /endless                a body without end\n"
	"  /endless-headers        headers without end (at most 60 s)\n"
	"  /stall, /stall-body     silence before the headers, or within the body (at most 60 s)\n"
	"  /reset, /reset-body     a TCP reset before any byte, or within the body\n"
	"  /reset-reused           a reset for every request on a connection but the first\n"
	"  /garbage                bytes that are no HTTP\n"
	"  /usage                  ?total_tokens=N [1]: {\"usage\":{\"total_tokens\":N}}, and "
	"X-Cost: N\n"
	"Steering (never fails; all but /health is neither counted nor logged)\n"
	"  GET /health             {\"status\":\"ok\",\"uptime_seconds\":S}\n"
	"  GET /stats              requests, in_flight, peak, aborted, by_status\n"
	"  POST /stats/reset       all but in_flight back to none\n"
	"  POST /fail/count/N      the next N (0 to 1000) requests get 500\n"
	"  POST /fail/duration/S   all requests get 500 for S (0 to 3600) seconds\n"
	"  POST /fail/reset        no more ordered failures\n"
	"  GET /fail/status        what is left of them\n"
	"  POST /limits/reset      buckets full, windows empty\n"
	"\n"
	"The log has for each request: t (seconds since 1970 when its headers were complete), "
	"mono\n"
	"(the same instant, CLOCK_BOOTTIME, ns), n (running number), method, path, query, status "
	"(0:\nnone was sent), aborted (the answer did not get through), in_flight (at its start, "
	"itself\nincluded), peak, id (X-Request-ID), idempotency_key, dur_ms, conn (number of its "
	"connection),\ncost, allowed (false: refused by a limit or --concurrency), limit (the name of "
	"that limit).\n"
	"Lines stand in the order in which requests ended; n has the order in which they came. A "
	"client\nthat closes, even only its sending side, has aborted.\n"
	"\n"
	"Exit status: 0 ended by a signal, 1 it cannot go on, 2 wrong use.\n";

static bool read_number(const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno || *end || value < min || value > max)
		return false;
	*out = value;
	return true;
}

/* NULL, or what is wrong. */
static const char *add_limit(struct ts_options *options, enum ts_limit_kind kind, const char *spec)
{
	if (options->limit_count == TS_LIMITS_MAX)
		return "four limits are enforced at most";
	return ts__limit_read(kind, spec, &options->limits[options->limit_count++]);
}

/* N/T[:B] */
static bool add_rate(struct ts_options *options, const char *text)
{
	const char *colon = strchr(text, ':');
	char spec[128];
	int length = snprintf(spec, sizeof(spec), "%.*s%s%s",
		colon ? (int)(colon - text) : (int)strlen(text), text, colon ? ",burst=" : "",
		colon ? colon + 1 : "");

	return !strchr(text, ',') && length < (int)sizeof(spec) &&
	       !add_limit(options, TS_BUCKET, spec);
}

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "ration-testserver: %s%s%s\nTry 'ration-testserver --help'.\n", what,
		value ? ", not " : "", value ? value : "");
	return USAGE_ERROR;
}

static const struct option known[] = {
	{"address", required_argument, NULL, 'a'},
	{"concurrency", required_argument, NULL, 'c'},
	{"help", no_argument, NULL, 'h'},
	{"limit", required_argument, NULL, 'b'},
	{"log", required_argument, NULL, 'l'},
	{"port", required_argument, NULL, 'p'},
	{"port-file", required_argument, NULL, 'f'},
	{"rate", required_argument, NULL, 'r'},
	{"timeout", required_argument, NULL, 't'},
	{"token-file", required_argument, NULL, 'k'},
	{"version", no_argument, NULL, 'v'},
	{"window", required_argument, NULL, 'w'},
	{NULL, 0, NULL, 0},
};

int ts__options_read(struct ts_options *options, int argc, char **argv)
{
	int64_t port = 0;
	const char *wrong;
	int option;

	*options = (struct ts_options){.address = "127.0.0.1"};
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'a':
			options->address = optarg;
			break;
		case 'b':
		case 'w':
			wrong = add_limit(options, option == 'b' ? TS_BUCKET : TS_WINDOW, optarg);
			if (wrong)
				return complain(wrong, optarg);
			break;
		case 'c':
			if (!read_number(optarg, 1, 1000000, &options->in_flight_max))
				return complain("--concurrency is 1 to 1000000", optarg);
			break;
		case 'f':
			options->port_file = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'k':
			options->token_file = optarg;
			break;
		case 'l':
			options->log_file = optarg;
			break;
		case 'p':
			if (!read_number(optarg, 0, 65535, &port))
				return complain("--port is 0 to 65535", optarg);
			break;
		case 'r':
			if (!add_rate(options, optarg))
				return complain(
					"--rate is such as 100/s, 60/min or 5/10s:2", optarg);
			break;
		case 't':
			if (!read_number(optarg, 1, TS_DELAY_MAX_MS, &options->timeout_ms))
				return complain("--timeout is 1 to 30000 milliseconds", optarg);
			break;
		case 'v':
			puts("ration-testserver " PACKAGE_VERSION);
			return 0;
		default:
			fputs("Try 'ration-testserver --help'.\n", stderr);
			return USAGE_ERROR;
		}
	}
	if (optind < argc)
		return complain("there are no arguments but options", argv[optind]);
	options->port = (int)port;
	return -1;
}
