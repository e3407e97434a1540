/* Two limits at once, all or nothing: so many calls and so many tokens a minute, whatever the
 * number of processes that run this. What a call costs is estimated before and known after. */
#include <ration/ration.h>
#include <stdio.h>

static const char settings[] =
	"services:\n"
	"  model:\n"
	"    limits:\n"
	"      calls: {max: 60, window: 1m, per: [tenant]}\n"
	"      tokens: {max: 90000, window: 1m, per: [tenant], unit: tokens, estimate: 1000}\n";

/* The call itself; how many tokens it used. */
static double complete(const char *prompt)
{
	return printf("%s\n", prompt);
}

int main(void)
{
	ration_config *config = ration_config_new();
	ration_guard *model;
	ration_error *why = NULL;
	double left = 0;

	if (ration_config_load_text(config, settings, "settings", &why) < 0 ||
		ration_guard_open(config, "model", &model, &why) < 0)
		return fprintf(stderr, "%s\n", ration_error_text(why)), 1;

	ration_permit *permit = ration_permit_new(model);
	ration_permit_set_key(permit, "tenant", "acme");
	ration_permit_set_cost(permit, "tokens", 350); /* as far as the prompt tells */

	int rc = ration_permit_acquire(permit, 30000); /* waits until both limits have room */
	if (rc == 0) {
		double used = complete("What a fine day.");
		ration_permit_settle(
			permit, "tokens", used); /* both ways, for all processes at once */
		ration_permit_release(permit, RATION_SUCCESS);
		ration_permit_remaining(permit, "tokens", &left);
		printf("%.0f used, %.0f left\n", used, left);
	} else {
		fprintf(stderr, "%s\n", rc > 0 ? ration_permit_why(permit) : ration_strerror(rc));
	}
	ration_permit_free(permit);
	ration_guard_close(model);
	ration_config_free(config);
	return rc != 0;
}
