/* The result writer: a slow reader never blocks it, a lost one is noticed, files are not
 * overwritten. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/run_output.h"
#include "cli_leaks.h"

TestSuite(output, .fini = check_leaks);

static void make_fifo(char *folder, char *path, size_t size)
{
	strcpy(folder, "/tmp/ration-test-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, size, "%s/fifo", folder);
	cr_assert_eq(mkfifo(path, 0600), 0);
}

Test(output, slow_reader_does_not_block)
{
	char folder[64], path[128], line[1000], got[65536];
	struct ration__output output;
	size_t read_back = 0;
	int reader;

	make_fifo(folder, path, sizeof(path));
	reader = open(path, O_RDONLY | O_NONBLOCK);
	cr_assert_eq(ration__output_open(&output, path, NULL), 0);
	cr_expect(output.fifo);
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 200; i++)
		ration__output_line(&output, line, sizeof(line));
	cr_assert_eq(ration__output_flush(&output), RATION_EAGAIN);
	cr_expect_geq(ration__output_pending(&output), 100000);
	while (ration__output_flush(&output) == RATION_EAGAIN || read_back < 200 * 1001) {
		ssize_t n = read(reader, got, sizeof(got));

		cr_assert_gt(n, 0);
		read_back += (size_t)n;
	}
	cr_expect_eq(read_back, 200 * 1001);
	cr_expect_eq(output.error, 0);
	ration__output_close(&output);
	close(reader);
	unlink(path);
	rmdir(folder);
}

Test(output, lost_reader)
{
	char folder[64], path[128];
	struct ration__output output;
	int reader;

	signal(SIGPIPE, SIG_IGN);
	make_fifo(folder, path, sizeof(path));
	reader = open(path, O_RDONLY | O_NONBLOCK);
	cr_assert_eq(ration__output_open(&output, path, NULL), 0);
	close(reader);
	ration__output_line(&output, "a", 1);
	ration__output_line(&output, "b", 1);
	cr_expect_eq(ration__output_flush(&output), 0);
	cr_expect_eq(output.error, EPIPE);
	ration__output_line(&output, "c", 1);
	cr_expect_eq(output.lost, 3);
	cr_expect_eq(ration__output_pending(&output), 0);
	ration__output_close(&output);
	unlink(path);
	rmdir(folder);
}

Test(output, full_disk)
{
	struct ration__output output;

	cr_assert_eq(ration__output_open(&output, "/dev/full", NULL), 0);
	ration__output_line(&output, "a", 1);
	ration__output_flush(&output);
	cr_expect_eq(output.error, ENOSPC);
	cr_expect_eq(output.lost, 1);
	ration__output_close(&output);
}

Test(output, existing_file_is_refused)
{
	char path[] = "/tmp/ration-test-XXXXXX";
	struct ration__output output;
	ration_error *err = NULL;

	close(mkstemp(path));
	cr_expect_eq(ration__output_open(&output, path, &err), RATION_EIO);
	cr_expect(strstr(ration_error_text(err), "exists already"));
	ration_error_free(err);
	unlink(path);
	cr_assert_eq(ration__output_open(&output, path, NULL), 0);
	ration__output_close(&output);
	unlink(path);
}
