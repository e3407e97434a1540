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
	"Exit status: 0 holds, 1 does not hold, 2 cannot be said.\n";

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
static bool read_log(const char *path, struct requests *requests)
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
		struct request request;
		number++;
		good = line[length - 1] == '\n' && field(line, "\"mono\":", &request.mono_ns) &&
		       field(line, "\"in_flight\":", &request.in_flight) && add(requests, request);
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

	if (end == text || *end || !(value >= 0 && value <= 1e15))
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
	return judge_window(requests, bound[0], bound[1], bound[2]);
}

static bool is_known(const char *what, int bounds)
{
	static const char *const names[] = {"count", "peak", "span"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(what, names[i]) == 0)
			return bounds <= 1;
	}
	return strcmp(what, "window") == 0 && bounds == 3;
}

int main(int argc, char **argv)
{
	struct requests requests = {0};
	double bound[3] = {0};
	enum verdict verdict = CANNOT_SAY;
	bool good = argc >= 3 && argc <= 6 && is_known(argv[1], argc - 3);

	for (int i = 3; good && i < argc; i++)
		good = number(argv[i], &bound[i - 3]);
	if (!good) {
		fputs(usage, stderr);
		return CANNOT_SAY;
	}
	if (read_log(argv[2], &requests))
		verdict = judge(argv[1], &requests, argc - 3, bound);
	free(requests.list);
	if (fflush(stdout) != 0)
		verdict = CANNOT_SAY;
	return verdict;
}
