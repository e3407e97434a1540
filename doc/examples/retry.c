/* The retry policy around a call that is no HTTP: here one that fails twice. The policy is the
 * service's, and the budget of retries is shared by all processes. */
#include <ration/ration.h>
#include <stdio.h>

static const char settings[] = "services:\n"
			       "  warehouse:\n"
			       "    retry: {attempts: 5, backoff: {first: 10ms, max: 1s}}\n"
			       "    timeouts: {attempt: 2s, total: 10s}\n";

static int ask_warehouse(void *arg, int attempt, int64_t timeout_ms, int64_t *retry_after_ms)
{
	(void)arg;
	(void)timeout_ms;     /* give up after that */
	(void)retry_after_ms; /* when it says how long to wait */
	return attempt < 3 ? RATION_ECONNECT : 0;
}

static void tell(void *arg, int attempt, int code, int64_t delay_ms)
{
	(void)arg;
	(void)delay_ms;
	printf("attempt %d: %s\n", attempt, ration_strerror(code));
}

int main(void)
{
	ration_config *config = ration_config_new();
	ration_guard *warehouse;
	ration_error *why = NULL;

	if (ration_config_load_text(config, settings, "settings", &why) < 0 ||
		ration_guard_open(config, "warehouse", &warehouse, &why) < 0)
		return fprintf(stderr, "%s\n", ration_error_summary(why)), 1;

	ration_retry *retry = ration_retry_new(warehouse);
	ration_retry_on_retry(retry, tell, NULL);
	int code = ration_retry_run(retry, ask_warehouse, NULL);

	printf("after %d attempts: %s\n", ration_retry_attempts(retry),
		code == 0 ? "done" : ration_retry_why(retry));
	ration_retry_free(retry);
	ration_guard_close(warehouse);
	ration_config_free(config);
	return code != 0;
}
