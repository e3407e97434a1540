/*
 * Judges what a fleet did by the log of the server that it called (ration-testserver --log).
 *
 * The log stands in the order in which requests ended; what counts is when they came, "mono".
 * It is no JSON parser: a key with its quotes cannot occur within a string, whose own quotes are
 * escaped. A line that is not whole, or lacks what is asked for, is an error, never a pass.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum verdict { HOLDS = 0, BROKEN = 1, CANNOT_SAY = 2 };

struct request {
	int64_t mono_ns;
	int64_t in_flight;
	double cost; /* 1 where requests are counted */
};

struct requests {
	struct request *list;
	size_t count;
	size_t capacity;
};

static const char usage[] =
	"Usage: judge window LOG RATE BURST SLACK_S   at most BURST + RATE * (t + SLACK_S) "
	"requests\n"
	"                                             in every window of length t\n"
	"       judge count LOG [N]                   how many requests; exactly N\n"
	"       judge peak LOG [N]                    most in flight at once; at most N\n"
	"       judge span LOG [S]                    seconds from first to last; at most S\n"
	"       judge sum requests|cost LOG MAX WINDOW_S SLACK_S\n"
	"                                             at most MAX in every window of WINDOW_S - "
	"SLACK_S\n"
	"       judge used requests|cost LOG MAX WINDOW_S PART\n"
	"                                             of MAX for each whole window since the first "
	"request\n"
	"                                             at least this part\n"
	"       judge silence LOG FROM_NS S           nothing for S seconds from that time on\n"
	"Exit status: 0 holds, 1 does not hold, 2 cannot be said.\n";

static bool amount(const char *line, double *out)
{
	static const char key[] = "\"cost\":";
	const char *at = strstr(line, key);
	char *end;

	if (!at)
		return false;
	at += sizeof(key) - 1;
	double value = strtod(at, &end);
	if (end == at || !(value >= 0 && value <= 1e12) || (*end != ',' && *end != '}'))
		return false;
	*out = value;
	return true;
}

static bool field(const char *line, const char *key, int64_t *out)
{
	const char *at = strstr(line, key);
	char *end;

	if (!at)
		return false;
	at += strlen(key);
	errno = 0;
	long long value = strtoll(at, &end, 10);
	if (end == at || errno || (*end != ',' && *end != '}'))
		return false;
	*out = value;
	return true;
}

static bool add(struct requests *requests, struct request request)
{
	if (requests->count == requests->capacity) {
		size_t capacity = requests->capacity ? 2 * requests->capacity : 1024;
		struct request *list = realloc(requests->list, capacity * sizeof(*list));
		if (!list)
			return false;
		requests->list = list;
		requests->capacity = capacity;
	}
	requests->list[requests->count++] = request;
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct request *left = a, *right = b;

	return (left->mono_ns > right->mono_ns) - (left->mono_ns < right->mono_ns);
}

/* All requests, in the order in which they came. */
static bool read_log(const char *path, bool costs, struct requests *requests)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t capacity = 0, number = 0;
	ssize_t length;
	bool good = true;

	if (!file) {
		fprintf(stderr, "judge: %s: %s\n", path, strerror(errno));
		return false;
	}
	while (good && (length = getline(&line, &capacity, file)) > 0) {
		struct request request = {.cost = 1};
		number++;
		good = line[length - 1] == '\n' && field(line, "\"mono\":", &request.mono_ns) &&
		       field(line, "\"in_flight\":", &request.in_flight) &&
		       (!costs || amount(line, &request.cost)) && add(requests, request);
	}
	if (!good)
		fprintf(stderr, "judge: %s:%zu: no whole line of a request\n", path, number);
	else if (ferror(file))
		fprintf(stderr, "judge: %s: %s\n", path, strerror(errno));
	good = good && !ferror(file);
	free(line);
	fclose(file);
	if (requests->count > 0)
		qsort(requests->list, requests->count, sizeof(requests->list[0]), compare);
	return good;
}

static bool number(const char *text, double *out)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value <= 1e18))
		return false;
	*out = value;
	return true;
}

static double seconds_between(const struct requests *requests, size_t from, size_t to)
{
	return (double)(requests->list[to].mono_ns - requests->list[from].mono_ns) / 1e9;
}

/*
 * Windows that matter begin and end with a request. The excess of i..j over the allowance is
 *   (j - i + 1) - burst - rate * (t_j - t_i + slack) = f(j) - f(i) + 1 - burst - rate * slack
 * with f(k) = k - rate * t_k, so that the worst window ending at j begins at the least f so far.
 */
static enum verdict judge_window(
	const struct requests *requests, double rate, double burst, double slack)
{
	double least = 0, worst = 0;
	size_t least_at = 0, from = 0, to = 0;

	for (size_t j = 0; j < requests->count; j++) {
		double f = (double)j - rate * seconds_between(requests, 0, j);
		if (f < least) {
			least = f;
			least_at = j;
		}
		if (j == 0 || f - least > worst) {
			worst = f - least;
			from = least_at;
			to = j;
		}
	}
	double length = seconds_between(requests, from, to);
	double allowed = burst + rate * (length + slack);
	double excess = (double)(to - from + 1) - allowed;
	printf("worst window: %zu requests in %.6f s, allowed %.3f, excess %.3f (requests %zu to "
	       "%zu of %zu)\n",
		to - from + 1, length, allowed, excess, from + 1, to + 1, requests->count);
	return excess > 1e-6 ? BROKEN : HOLDS;
}

/* A request counts from its time on, until and not at that time plus the length. */
static enum verdict judge_sum(
	const struct requests *requests, double max, double window, double slack)
{
	double sum = 0, worst = 0;
	size_t first = 0, from = 0, to = 0;

	for (size_t j = 0; j < requests->count; j++) {
		sum += requests->list[j].cost;
		while (seconds_between(requests, first, j) >= window - slack && first < j)
			sum -= requests->list[first++].cost;
		if (sum > worst) {
			worst = sum;
			from = first;
			to = j;
		}
	}
	printf("worst window: %.15g of %.15g in %.6f s (requests %zu to %zu of %zu)\n", worst, max,
		seconds_between(requests, from, to), from + 1, to + 1, requests->count);
	return worst > max * (1 + 1e-12) ? BROKEN : HOLDS;
}

/* Part of what was allowed in the whole windows since the first request; what came later is cut
 * off, for there the jobs run out. */
static enum verdict judge_used(
	const struct requests *requests, double max, double window, double part)
{
	double span = seconds_between(requests, 0, requests->count - 1);
	double windows = (double)(int64_t)(span / window);
	double sum = 0;

	if (windows < 1) {
		fputs("judge: the log is shorter than a window\n", stderr);
		return CANNOT_SAY;
	}
	for (size_t i = 0; i < requests->count; i++) {
		if (seconds_between(requests, 0, i) < windows * window)
			sum += requests->list[i].cost;
	}
	double used = sum / (max * windows);
	printf("used: %.15g of %.15g in %.0f windows, %.4f\n", sum, max * windows, windows, used);
	return used < part ? BROKEN : HOLDS;
}

static enum verdict judge_silence(const struct requests *requests, double from_ns, double seconds)
{
	size_t within = 0, before = 0;

	for (size_t i = 0; i < requests->count; i++) {
		double at = (double)requests->list[i].mono_ns - from_ns;
		before += at < 0;
		within += at >= 0 && at < seconds * 1e9;
	}
	printf("%zu requests within %.3f s, %zu before, %zu after", within, seconds, before,
		requests->count - before - within);
	if (before + within < requests->count)
		printf(", the first after %.6f s",
			((double)requests->list[before + within].mono_ns - from_ns) / 1e9);
	putchar('\n');
	return within > 0 ? BROKEN : HOLDS;
}

static int64_t peak_of(const struct requests *requests)
{
	int64_t peak = 0;

	for (size_t i = 0; i < requests->count; i++) {
		if (requests->list[i].in_flight > peak)
			peak = requests->list[i].in_flight;
	}
	return peak;
}

static enum verdict judge(
	const char *what, const struct requests *requests, int bounds, const double *bound)
{
	if (strcmp(what, "count") == 0) {
		printf("%zu\n", requests->count);
		return bounds == 0 || (double)requests->count == bound[0] ? HOLDS : BROKEN;
	}
	if (requests->count == 0) {
		fputs("judge: the log holds no request\n", stderr);
		return CANNOT_SAY;
	}
	if (strcmp(what, "peak") == 0) {
		int64_t peak = peak_of(requests);
		printf("%" PRId64 "\n", peak);
		return bounds == 0 || (double)peak <= bound[0] ? HOLDS : BROKEN;
	}
	if (strcmp(what, "span") == 0) {
		double span = seconds_between(requests, 0, requests->count - 1);
		printf("%.6f\n", span);
		return bounds == 0 || span <= bound[0] ? HOLDS : BROKEN;
	}
	if (strcmp(what, "silence") == 0)
		return judge_silence(requests, bound[0], bound[1]);
	if (strcmp(what, "sum") == 0)
		return judge_sum(requests, bound[0], bound[1], bound[2]);
	if (strcmp(what, "used") == 0)
		return judge_used(requests, bound[0], bound[1], bound[2]);
	return judge_window(requests, bound[0], bound[1], bound[2]);
}

/* Whether so many bounds fit. */
static bool is_known(const char *what, int bounds)
{
	static const struct {
		const char *name;
		int least, most;
	} known[] = {{"count", 0, 1}, {"peak", 0, 1}, {"span", 0, 1}, {"window", 3, 3},
		{"sum", 3, 3}, {"used", 3, 3}, {"silence", 2, 2}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(what, known[i].name) == 0)
			return bounds >= known[i].least && bounds <= known[i].most;
	}
	return false;
}

/* sum and used say what they add up, before the log. */
static bool read_unit(int *argc, char ***argv, bool *costs)
{
	if (*argc < 3 || (strcmp((*argv)[1], "sum") != 0 && strcmp((*argv)[1], "used") != 0))
		return true;
	*costs = strcmp((*argv)[2], "cost") == 0;
	if (!*costs && strcmp((*argv)[2], "requests") != 0)
		return false;
	(*argv)[2] = (*argv)[1];
	(*argc)--;
	(*argv)++;
	return true;
}

int main(int argc, char **argv)
{
	struct requests requests = {0};
	double bound[3] = {0};
	bool costs = false;
	enum verdict verdict = CANNOT_SAY;
	bool good = read_unit(&argc, &argv, &costs) && argc >= 3 && argc <= 6 &&
		    is_known(argv[1], argc - 3);

	for (int i = 3; good && i < argc; i++)
		good = number(argv[i], &bound[i - 3]);
	if (!good) {
		fputs(usage, stderr);
		return CANNOT_SAY;
	}
	if (read_log(argv[2], costs, &requests))
		verdict = judge(argv[1], &requests, argc - 3, bound);
	free(requests.list);
	if (fflush(stdout) != 0)
		verdict = CANNOT_SAY;
	return verdict;
}
