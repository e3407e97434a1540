/* A circuit breaker by itself, shared by all processes: no rate, no places, no permits. Results are
 * recorded, its state is asked for. */
#include <ration/ration.h>
#include <stdio.h>

static const char settings[] = "services:\n"
			       "  warehouse:\n"
			       "    breaker: {trip_after: 3, open_for: 30s}\n"
			       "    concurrency: off\n";

/* The call itself: the warehouse is down today. */
static int ask_warehouse(void)
{
	return -1;
}

int main(void)
{
	ration_config *config = ration_config_new();
	ration_guard *warehouse;
	ration_error *why = NULL;

	if (ration_config_load_text(config, settings, "settings", &why) < 0 ||
		ration_guard_open(config, "warehouse", &warehouse, &why) < 0)
		return fprintf(stderr, "%s\n", ration_error_text(why)), 1;

	ration_permit *permit = ration_permit_new(warehouse);
	ration_permit_reset(permit, "breaker"); /* what an earlier run left */
	for (int i = 0; i < 5; i++) {
		if (ration_permit_peek(permit) == RATION_DENIED_BREAKER) {
			puts(ration_permit_state_name(permit, "breaker"));
			break;
		}
		ration_permit_record(
			permit, ask_warehouse() == 0 ? RATION_SUCCESS : RATION_FAILURE, 0);
	}
	ration_permit_free(permit);
	ration_guard_close(warehouse);
	ration_config_free(config);
	return 0;
}
