/*
 * Members stopped with SIGSTOP anywhere: the others go on, or learn that the store cannot answer,
 * within the gate's deadline. Time in which the judge itself was runnable but not scheduled is no
 * wait. With an argument 99 % must be in time. Without one, on whatever machine `make check` runs,
 * none may wait for the end of the stop, which comes only after it gave up: time is printed.
 * Argument: how many stops (200).
 */
#include "store_kit.h"

#define DEADLINE (20 * RATION__NS_PER_MS)
#define SLICE (5 * RATION__NS_PER_MS) /* the last slice may end after the deadline */

/* Nanoseconds that this thread stood in a run queue. */
static int64_t run_delay(void)
{
	long long run = 0, delay = 0;
	FILE *file = fopen("/proc/thread-self/schedstat", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%lld %lld", &run, &delay) != 2)
		delay = 0;
	fclose(file);
	return delay;
}

int main(int argc, char **argv)
{
	int stops = argc > 1 ? atoi(argv[1]) : 200, late = 0, stopped_inside = 0, bad = 0, rc,
	    status;
	uint64_t random = (uint64_t)monotonic() | 1;
	struct ration__store *store;
	struct worker workers[2];
	struct ration__txn *txn;

	make_dir();
	store = open_store(DEADLINE);
	if (!store)
		return 2;
	fill(store);
	for (size_t i = 0; i < RATION__COUNT(workers); i++)
		start(&workers[i], false);
	for (int i = 0; i < stops && !bad; i++) {
		struct worker *worker = &workers[next_random(&random) % RATION__COUNT(workers)];
		struct timespec pause = {.tv_nsec = (long)(next_random(&random) % 2000000)};
		int64_t from, delay;

		nanosleep(&pause, NULL);
		kill(worker->pid, SIGSTOP);
		if (waitpid(worker->child, &status, WUNTRACED) != worker->child ||
			!WIFSTOPPED(status)) {
			printf("a worker ended: %s\n", ration_code_name(board->last_error));
			return 2;
		}
		delay = run_delay();
		from = monotonic();
		rc = ration__store_begin(store, -1, &txn);
		from = monotonic() - from;
		delay = run_delay() - delay;
		if (rc == 0)
			ration__store_abort(txn);
		else if (rc == RATION_ESTORE)
			stopped_inside++;
		else
			bad = 1;
		if (from - delay > DEADLINE + SLICE)
			late++;
		kill(worker->pid, SIGCONT);
	}
	/* a worker's patience is longer than any stop here, so none of them may have failed */
	for (size_t i = 0; i < RATION__COUNT(workers); i++)
		kill_worker(&workers[i]);
	bad |= judge(store);
	printf("%d stops, %d of them inside; %d late; %u intruders, %u errors\n", stops,
		stopped_inside, late, board->intruders, board->errors);
	bad |= (argc > 1 && late * 100 > stops) || board->intruders || board->errors ||
	       stopped_inside == 0;
	ration__store_close(store);
	remove_dir();
	return bad;
}
