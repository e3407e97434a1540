/* Sending through the public face: ways of fetching, places, cancelling, ending. */
#include <ctype.h>
#include <dirent.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include "client_fixture.h"

TestSuite(client_send, .fini = check_leaks, .timeout = 60);

static struct fixture f;

Test(client_send, E1_perform_answers_with_status_and_body)
{
	ration_request *request;
	ration_response *r = NULL;
	size_t length = 0;
	int user;

	fixture_init(&f);
	fixture_open(&f);
	request = new_request("/hello");
	ration_request_set_id(request, "42");
	ration_request_set_user(request, &user);
	cr_assert_eq(ration_perform(f.client, request, &r), 0);
	ration_request_free(request);
	cr_assert_eq(ration_response_status(r), 200);
	cr_assert_str_eq(ration_response_id(r), "42");
	cr_assert_eq(ration_response_user(r), &user);
	cr_assert_eq(ration_response_attempts(r), 1);
	cr_assert_eq(ration_response_sent(r), 1);
	cr_assert_eq(memcmp(ration_response_body(r, &length), "ok", 2), 0);
	cr_assert_eq(length, 2);
	ration_response_free(r);
	cr_assert_eq(get(&f, "/s/404"), RATION_ENOTFOUND);
	fixture_close(&f);
}

Test(client_send, each_job_is_fetched_once_and_then_there_is_none)
{
	bool seen[200] = {false};
	ration_response *r;

	fixture_init(&f);
	fixture_open(&f);
	for (int i = 0; i < 200; i++) {
		ration_request *request = new_request("/hello");
		char id[16];

		snprintf(id, sizeof(id), "%d", i);
		ration_request_set_id(request, id);
		cr_assert_eq(ration_submit(f.client, request, -1, NULL), 0);
	}
	while (ration_next(f.client, -1, &r) == 0) {
		int id = atoi(ration_response_id(r));

		cr_assert_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
		cr_assert_not(seen[id]);
		seen[id] = true;
		ration_response_free(r);
	}
	for (int i = 0; i < 200; i++)
		cr_assert(seen[i], "%d", i);
	cr_assert_eq(ration_next(f.client, 0, &r), RATION_EEMPTY);
	cr_assert_eq(ration_next(f.client, 5, &r), RATION_ETIMEOUT);
	cr_assert_eq(counts(&f).completed, 200);
	cr_assert_eq(counts(&f).sent, 200);
	cr_assert_eq(counts(&f).queued + counts(&f).in_flight + counts(&f).waiting, 0);
	fixture_close(&f);
}

Test(client_send, descriptor_is_readable_while_there_is_a_response)
{
	struct pollfd p = {.events = POLLIN};
	ration_response *r;

	fixture_init(&f);
	fixture_open(&f);
	submit(&f, "/hello");
	submit(&f, "/hello");
	p.fd = ration_fd(f.client);
	for (int left = 2; left > 0; left--) {
		cr_assert_eq(poll(&p, 1, 10000), 1);
		cr_assert_eq(ration_next(f.client, 0, &r), 0);
		ration_response_free(r);
	}
	cr_assert_eq(poll(&p, 1, 0), 0);
	submit(&f, "/hello");
	cr_assert_eq(poll(&p, 1, 10000), 1, "armed again");
	fixture_close(&f);
}

static atomic_int done_count, misuse_count;
static ration_permit *worker_permit;

static void chain(void *arg, ration_response *response)
{
	struct fixture *fx = arg;
	ration_response *r;

	misuse_count += ration_next(fx->client, 0, &r) != RATION_EWORKER;
	misuse_count += ration_client_drain(fx->client, 0) != RATION_EWORKER;
	misuse_count += ration_get(fx->client, "api", "/hello", &r) != RATION_EWORKER;
	misuse_count += ration_permit_acquire(worker_permit, 1) != RATION_EWORKER;
	misuse_count += ration_permit_acquire(worker_permit, 0) != 0;
	misuse_count += ration_permit_release(worker_permit, RATION_SUCCESS) != 0;
	ration_response_free(response);
	if (++done_count < 50) {
		ration_request *request = new_request("/hello");

		misuse_count += ration_submit(fx->client, request, 1, NULL) != RATION_EWORKER;
		misuse_count += ration_submit(fx->client, request, 0, NULL) != 0;
	}
}

Test(client_send, callback_may_submit_and_nothing_may_wait_on_a_worker)
{
	ration_guard *guard = NULL;

	fixture_init(&f);
	cr_assert_eq(ration_guard_open(f.config, "api", &guard, NULL), 0);
	worker_permit = ration_permit_new(guard);
	cr_assert(worker_permit);
	set(&f, "workers.queue_max", "1"); /* its own place is free inside the callback */
	fixture_open(&f);
	cr_assert_eq(ration_client_on_done(f.client, chain, &f), 0);
	submit(&f, "/hello");
	cr_assert_eq(ration_client_on_done(f.client, chain, &f), RATION_EBUSY);
	cr_assert_eq(ration_client_drain(f.client, 20000), 0);
	cr_assert_eq(done_count, 50);
	cr_assert_eq(misuse_count, 0);
	ration_permit_free(worker_permit);
	ration_guard_close(guard);
	fixture_close(&f);
}

Test(client_send, full_queue_answers_at_once_when_only_fetching_could_help)
{
	ration_request *request = new_request("/hello");
	ration_response *r;

	fixture_init(&f);
	set(&f, "workers.queue_max", "2");
	fixture_open(&f);
	submit(&f, "/hello");
	submit(&f, "/slow/100");
	cr_assert_eq(ration_submit(f.client, request, 0, NULL), RATION_EFULL);
	cr_assert_eq(ration_submit(f.client, request, -1, NULL), RATION_EFULL,
		"it waited for the jobs, and then nobody fetched");
	cr_assert_eq(counts(&f).completed, 2);
	cr_assert_eq(ration_next(f.client, 0, &r), 0);
	ration_response_free(r);
	cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
	fixture_close(&f);
}

static void *fetch(void *arg)
{
	struct fixture *fx = arg;
	ration_response *r;

	for (int i = 0; i < 100; i++) {
		if (ration_next(fx->client, 10000, &r) < 0)
			return "none came";
		ration_response_free(r);
	}
	return NULL;
}

Test(client_send, full_queue_waits_for_another_thread_that_fetches)
{
	pthread_t thread;
	void *wrong;

	fixture_init(&f);
	set(&f, "workers.queue_max", "3");
	fixture_open(&f);
	pthread_create(&thread, NULL, fetch, &f);
	for (int i = 0; i < 100; i++) {
		ration_request *request = new_request("/hello");
		int rc = ration_submit(f.client, request, 10000, NULL);

		/* before the other thread called next for the first time, nobody fetches */
		while (rc == RATION_EFULL)
			rc = ration_submit(f.client, request, 10000, NULL);
		cr_assert_eq(rc, 0, "%s", ration_strerror(rc));
	}
	pthread_join(thread, &wrong);
	cr_assert_null(wrong);
	fixture_close(&f);
}

Test(client_send, refuses_what_cannot_be_sent)
{
	ration_request *request = ration_request_new("nobody", "GET", "/");
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.db.limits.queries.rate", "1/s"); /* no uris: not for HTTP */
	fixture_open(&f);
	cr_assert_eq(ration_submit(f.client, request, 0, NULL), RATION_ESERVICE);
	ration_request_free(request);
	cr_assert_eq(ration_get(f.client, "db", "/", &r), RATION_ESERVICE);
	cr_assert_eq(ration_get(f.client, "api", "http://127.0.0.2:1/", &r), RATION_EURL);
	request = new_request("/");
	cr_assert_eq(ration_request_set_option(request, "retry.attempts", "many"), 0);
	cr_assert_eq(ration_submit(f.client, request, 0, NULL), RATION_EINVAL);
	ration_request_free(request);
	cr_assert_null(r);
	cr_assert_eq(ration_submit(f.client, NULL, 0, NULL), RATION_EINVAL);
	fixture_close(&f);
}

Test(client_send, settings_of_one_request)
{
	ration_request *request = new_request("/s/503");
	ration_response *r = NULL;

	fixture_init(&f);
	fixture_open(&f);
	cr_assert_eq(ration_request_set_option(request, "retry.attempts", "1"), 0);
	cr_assert_eq(ration_perform(f.client, request, &r), RATION_EUNAVAILABLE);
	cr_assert_eq(ration_response_attempts(r), 1);
	ration_response_free(r);
	ration_request_free(request);
	request = new_request("/slow/5000");
	ration_request_set_option(request, "timeouts.read", "50ms");
	ration_request_set_option(request, "retry.attempts", "1");
	cr_assert_eq(ration_perform(f.client, request, &r), RATION_EREADTIMEOUT);
	ration_response_free(r);
	ration_request_free(request);
	fixture_close(&f);
}

/* ---- cancelling ---- */

Test(client_send, R21_cancel_ends_a_job_wherever_it_is)
{
	ration_ticket flying, queued, resting;
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "1");
	set(&f, "services.api.retry.backoff.first", "60s");
	set(&f, "services.api.retry.backoff.max", "60s");
	set(&f, "services.api.retry.backoff.jitter", "none");
	fixture_open(&f);
	resting = submit(&f, "/s/503");
	UNTIL(counts(&f).waiting == 1);
	flying = submit(&f, "/hang");
	UNTIL(f.server.requests == 2);
	queued = submit(&f, "/hello");
	UNTIL(counts(&f).queued == 1);
	cr_assert_eq(ration_cancel(f.client, queued), 0);
	cr_assert_eq(next_code(&f, text, sizeof(text)), RATION_ECANCELLED);
	cr_assert_eq(ration_cancel(f.client, queued), RATION_EEMPTY, "ended already");
	cr_assert_eq(ration_cancel(f.client, resting), 0);
	cr_assert_eq(next_code(&f, text, sizeof(text)), RATION_ECANCELLED);
	cr_assert_eq(ration_cancel(f.client, flying), 0);
	cr_assert_eq(next_code(&f, text, sizeof(text)), RATION_ECANCELLED);
	cr_assert_eq(get(&f, "/hello"), 0, "the place of the cancelled one is free again");
	cr_assert_eq(ration_cancel(f.client, flying), RATION_EEMPTY);
	cr_assert_eq(ration_cancel(f.client, 987654321), RATION_EEMPTY);
	cr_assert_eq(f.server.requests, 3);
	fixture_close(&f);
}

static atomic_int ended[4];

static void count_end(void *arg, ration_response *response)
{
	int i = (int)(intptr_t)ration_response_user(response);

	ended[i]++;
	misuse_count += ration_response_code(response) != RATION_ECANCELLED;
	ration_response_free(response);
}

Test(client_send, close_ends_each_job_exactly_once)
{
	const char *paths[] = {"/s/503", "/hang", "/hello", "/hello"};

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "1");
	set(&f, "services.api.retry.backoff.first", "60s");
	set(&f, "services.api.retry.backoff.max", "60s");
	set(&f, "services.api.retry.backoff.jitter", "none");
	fixture_open(&f);
	ration_client_on_done(f.client, count_end, NULL);
	for (int i = 0; i < 4; i++) {
		ration_request *request = new_request(paths[i]);

		ration_request_set_user(request, (void *)(intptr_t)i);
		cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
		if (i == 0)
			UNTIL(counts(&f).waiting == 1);
		if (i == 1)
			UNTIL(counts(&f).in_flight == 1);
	}
	ration_client_close(f.client);
	f.client = NULL;
	for (int i = 0; i < 4; i++)
		cr_assert_eq(ended[i], 1, "job %d ended %d times", i, ended[i]);
	cr_assert_eq(misuse_count, 0);
	fixture_close(&f);
}

Test(client_send, close_frees_what_was_not_fetched)
{
	fixture_init(&f);
	fixture_open(&f);
	for (int i = 0; i < 20; i++)
		submit(&f, "/hello");
	cr_assert_eq(ration_client_drain(f.client, 10000), 0);
	for (int i = 0; i < 20; i++)
		submit(&f, "/slow/50");
	cr_assert_eq(ration_client_drain(f.client, 1), RATION_ETIMEOUT);
	fixture_close(&f);
}

/* ---- process ---- */

Test(client_send, forked_child_is_told)
{
	ration_response *r;
	int status;
	pid_t pid;

	fixture_init(&f);
	fixture_open(&f);
	submit(&f, "/hello");
	pid = fork();
	if (pid == 0) {
		bool right = ration_submit(f.client, NULL, 0, NULL) == RATION_EFORK &&
			     ration_next(f.client, -1, &r) == RATION_EFORK &&
			     ration_fd(f.client) == RATION_EFORK &&
			     ration_client_drain(f.client, -1) == RATION_EFORK &&
			     ration_cancel(f.client, 1) == RATION_EFORK;

		ration_client_close(f.client);
		_exit(right ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	cr_assert_eq(ration_next(f.client, 10000, &r), 0, "the parent goes on");
	ration_response_free(r);
	fixture_close(&f);
}

Test(client_send, workers_have_names_and_take_no_signals)
{
	struct dirent *entry;
	DIR *tasks;
	int workers = 0;

	fixture_init(&f);
	fixture_open(&f);
	tasks = opendir("/proc/self/task");
	while ((entry = readdir(tasks)) != NULL) {
		char path[512], line[256], name[64] = "", mask[64] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		file = isdigit((unsigned char)entry->d_name[0]) ? fopen(path, "r") : NULL;
		while (file && fgets(line, sizeof(line), file)) {
			sscanf(line, "Name: %63s", name);
			sscanf(line, "SigBlk: %63s", mask);
		}
		if (file)
			fclose(file);
		if (strcmp(name, "ration-0") != 0 && strcmp(name, "ration-1") != 0)
			continue;
		workers++; /* SIGPIPE is 13, SIGTERM 15 */
		cr_assert_eq(strtoull(mask, NULL, 16) & 0x5000, 0x5000, "%s: %s", name, mask);
	}
	closedir(tasks);
	cr_assert_eq(workers, 2);
	fixture_close(&f);
}
