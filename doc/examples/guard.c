/* Guards something that is not HTTP: at most so many at a time and so many a minute, whatever the
 * number of processes that run this. */
#include <ration/ration.h>
#include <stdio.h>

static int run_report(void)
{
	return puts("the report runs") >= 0;
}

int main(void)
{
	ration_config *config = ration_config_new();
	ration_guard *db;
	ration_error *why = NULL;

	if (ration_config_load(config, "fleet.yaml", &why) < 0 ||
		ration_guard_open(config, "reports-db", &db, &why) < 0)
		return fprintf(stderr, "%s\n", ration_error_text(why)), 1;

	ration_permit *permit = ration_permit_new(db); /* reused for any number of calls */
	ration_permit_set_key(permit, "agent", "nightly");

	int rc = ration_permit_acquire(permit, 5000); /* ms; 0 = now or never */
	if (rc == 0)
		ration_permit_release(permit, run_report() ? RATION_SUCCESS : RATION_FAILURE);
	else if (rc > 0) /* a denial is an answer */
		fprintf(stderr, "%s\n", ration_permit_why(permit));
	else /* no decision could be made */
		fprintf(stderr, "%s\n", ration_strerror(rc));

	ration_permit_free(permit);
	ration_guard_close(db);
	ration_config_free(config);
	return rc != 0;
}
