/* The command line of the test server. */
#include "config.h"

#include "testserver/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
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
	"  --concurrency N   answer 503 to requests above N in flight\n"
	"  --timeout MS      answer 408 after MS when the delay asked for is longer\n"
	"  --rate N/T[:B]    answer 429 above N requests in T (s, min, h or seconds); burst B [N]\n"
	"  --help            show this text\n"
	"  --version         show the version\n"
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
	"Steering (never fails; all but /health is neither counted nor logged)\n"
	"  GET /health             {\"status\":\"ok\",\"uptime_seconds\":S}\n"
	"  GET /stats              requests, in_flight, peak, aborted, by_status\n"
	"  POST /stats/reset       all but in_flight back to none\n"
	"  POST /fail/count/N      the next N (0 to 1000) requests get 500\n"
	"  POST /fail/duration/S   all requests get 500 for S (0 to 3600) seconds\n"
	"  POST /fail/reset        no more ordered failures\n"
	"  GET /fail/status        what is left of them\n"
	"\n"
	"The log has for each request: t (seconds since 1970 when its headers were complete), "
	"mono\n"
	"(the same instant, CLOCK_BOOTTIME, ns), n (running number), method, path, query, status "
	"(0:\nnone was sent), aborted (the answer did not get through), in_flight (at its start, "
	"itself\nincluded), peak, id (X-Request-ID), idempotency_key, dur_ms, conn (number of its "
	"connection).\n"
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

/* A positive decimal number; *end is left behind it. */
static bool read_positive(const char *text, const char **end, double *out)
{
	char *after;

	if ((*text < '0' || *text > '9') && *text != '.')
		return false;
	double value = strtod(text, &after);
	if (after == text || !isfinite(value) || value <= 0 || value > 1e9)
		return false;
	*end = after;
	*out = value;
	return true;
}

/* N/T[:B] */
static bool read_rate(const char *text, struct ts_options *options)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {{"s", 1}, {"min", 60}, {"h", 3600}};
	double count, seconds = 0, burst;
	const char *at;

	if (!read_positive(text, &at, &count) || *at++ != '/')
		return false;
	if (*at >= '0' && *at <= '9') {
		if (!read_positive(at, &at, &seconds))
			return false;
		at += *at == 's';
	} else {
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			size_t length = strlen(units[i].name);
			if (strncmp(at, units[i].name, length) == 0 &&
				(at[length] == '\0' || at[length] == ':')) {
				seconds = units[i].seconds;
				at += length;
				break;
			}
		}
	}
	burst = count < 1 ? 1 : count;
	if (seconds <= 0 || (*at == ':' && !read_positive(at + 1, &at, &burst)) || *at || burst < 1)
		return false;
	options->rate_per_second = count / seconds;
	options->rate_burst = burst;
	return true;
}

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "ration-testserver: %s%s%s\nTry 'ration-testserver --help'.\n", what,
		value ? ", not " : "", value ? value : "");
	return USAGE_ERROR;
}

int ts__options_read(struct ts_options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{"address", required_argument, NULL, 'a'},
		{"concurrency", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"log", required_argument, NULL, 'l'},
		{"port", required_argument, NULL, 'p'},
		{"port-file", required_argument, NULL, 'f'},
		{"rate", required_argument, NULL, 'r'},
		{"timeout", required_argument, NULL, 't'},
		{"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	int64_t port = 0;
	int option;

	*options = (struct ts_options){.address = "127.0.0.1"};
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'a':
			options->address = optarg;
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
		case 'l':
			options->log_file = optarg;
			break;
		case 'p':
			if (!read_number(optarg, 0, 65535, &port))
				return complain("--port is 0 to 65535", optarg);
			break;
		case 'r':
			if (!read_rate(optarg, options))
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
