/*
 * What a queued job costs in memory over its own bytes: resident memory before and after so many
 * jobs were submitted that may not start, all in one lane, and each in a lane of its own.
 *
 * A job's own bytes are those of its strings: method, target, names and values of keys. Each figure
 * comes from a child process, so that no freed memory of the other is used again.
 *
 * Usage: job_memory [--json] [JOBS]
 */
#include <ration/ration.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "job_memory: %s\n", what);
	exit(1);
}

static double resident_bytes(void)
{
	char line[256];
	double kb = -1;
	FILE *file = fopen("/proc/self/status", "r");

	need(file != NULL, "cannot read /proc/self/status");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %lf kB", &kb) == 1)
			break;
	fclose(file);
	need(kb >= 0, "no RssAnon in /proc/self/status");
	return kb * 1024;
}

static void set(ration_config *config, const char *path, const char *value)
{
	ration_error *err = NULL;

	need(ration_config_set(config, path, value, &err) == 0, ration_error_text(err));
}

static ration_client *open_client(const char *store, long jobs)
{
	ration_config *config = ration_config_new();
	ration_client *client;
	ration_error *err = NULL;
	char text[32];

	need(config != NULL, "out of memory");
	snprintf(text, sizeof(text), "%ld", jobs + 16);
	set(config, "store.path", store);
	set(config, "workers.queue_max", text);
	set(config, "services.s.uris", "http://127.0.0.1:9");
	/* costs less than nothing could pass: nothing starts while this measures */
	set(config, "services.s.limits.slow.rate", "1/24h");
	set(config, "services.s.limits.slow.burst", "1");
	/* and none is refused for want of time */
	set(config, "services.s.concurrency.wait", "48h");
	set(config, "services.s.timeouts.total", "none");
	need(ration_client_open(config, &client, &err) == 0, ration_error_text(err));
	ration_config_free(config);
	return client;
}

/* Bytes a job over its own. */
static double measure(const char *store, long jobs, bool own_lanes)
{
	ration_client *client = open_client(store, jobs);
	double own = 0, before;
	char target[64], key[32];

	before = resident_bytes();
	for (long i = 0; i < jobs; i++) {
		ration_request *request;

		snprintf(target, sizeof(target), "/v1/things/%07ld?page=1", i);
		snprintf(key, sizeof(key), "%07ld", own_lanes ? i : 0);
		request = ration_request_new("s", "GET", target);
		need(request && ration_request_set_key(request, "tenant", key) == 0 &&
				ration_submit(client, request, 0, NULL) == 0,
			"a job was not taken");
		own += (double)(strlen("GET") + strlen(target) + strlen("tenant") + strlen(key));
	}
	/* what the producer holds is not all: the worker moves the jobs into lanes */
	usleep(500000);
	return (resident_bytes() - before - own) / (double)jobs;
}

static double in_child(const char *store, long jobs, bool own_lanes)
{
	int ends[2], status;
	double bytes = 0;
	pid_t pid;

	need(pipe(ends) == 0, "pipe");
	pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0) {
		bytes = measure(store, jobs, own_lanes);
		_exit(write(ends[1], &bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes));
	}
	need(waitpid(pid, &status, 0) == pid && status == 0, "the measuring process failed");
	need(read(ends[0], &bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes), "read");
	close(ends[0]);
	close(ends[1]);
	return bytes;
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/ration-bench-XXXXXX", store[64], command[64];
	bool json = argc > 1 && !strcmp(argv[1], "--json");
	long jobs = argc > 1 + json ? atol(argv[1 + json]) : 100000;
	double one, own;

	need(mkdtemp(dir) != NULL, "mkdtemp");
	snprintf(store, sizeof(store), "%s/one", dir);
	one = in_child(store, jobs, false);
	snprintf(store, sizeof(store), "%s/own", dir);
	own = in_child(store, jobs, true);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	need(system(command) == 0, "cleaning up");
	printf(json ? "{\"jobs\":%ld,\"one_lane_bytes\":%.0f,\"own_lane_bytes\":%.0f}\n"
		    : "%ld jobs; bytes over a job's own: %.0f in one lane, %.0f in lanes of their "
		      "own\n",
		jobs, one, own);
	return 0;
}
