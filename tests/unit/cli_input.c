/* The line reader: lines cut anywhere by reads, lines that are too long, ends without newline. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/run_input.h"
#include "cli_leaks.h"

TestSuite(input, .fini = check_leaks);

/* Everything of the input as text: lines as "[...]", too long ones as "!". Bytes come in pieces. */
static void read_all(const char *bytes, size_t length, size_t piece, size_t line_max, char *out)
{
	struct ration__input input;
	size_t at = 0;
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	cr_assert_eq(ration__input_attach(&input, fds[0], line_max, NULL), 0);
	for (bool ended = false; !ended;) {
		char *text = NULL;
		size_t got = 0;

		switch (ration__input_next(&input, &text, &got)) {
		case RATION__INPUT_LINE:
			cr_assert_eq(strlen(text), got);
			out += sprintf(out, "[%s]", text);
			break;
		case RATION__INPUT_TOO_LONG:
			*out++ = '!';
			break;
		case RATION__INPUT_MORE:
			if (at < length) {
				size_t n = length - at < piece ? length - at : piece;

				cr_assert_eq(write(fds[1], bytes + at, n), (ssize_t)n);
				at += n;
			} else if (fds[1] >= 0) {
				close(fds[1]);
				fds[1] = -1;
			}
			cr_assert_eq(ration__input_fill(&input), 0);
			break;
		case RATION__INPUT_END:
			ended = true;
		}
	}
	*out = '\0';
	cr_expect_eq(input.offset, length);
	ration__input_close(&input);
	close(fds[0]);
}

Test(input, lines_in_any_pieces)
{
	static const char bytes[] = "\xef\xbb\xbf"
				    "one\r\n\n12345678\n123456789\n\rx\n12345678\r\nlast";
	char out[256];

	for (size_t piece = 1; piece <= sizeof(bytes); piece++) {
		read_all(bytes, sizeof(bytes) - 1, piece, 8, out);
		cr_expect_str_eq(
			out, "[one][][12345678]![\rx][12345678][last]", "%zu: %s", piece, out);
	}
}

Test(input, ends)
{
	char out[256];

	read_all("", 0, 1, 8, out);
	cr_expect_str_eq(out, "");
	read_all("\n", 1, 1, 8, out);
	cr_expect_str_eq(out, "[]");
	read_all("123456789", 9, 3, 8, out);
	cr_expect_str_eq(out, "!");
	read_all("a\n1234567890123456789", 21, 5, 8, out);
	cr_expect_str_eq(out, "[a]!");
}

/* A hundred megabytes in one line: read past with a small buffer, and the next line is itself. */
Test(input, huge_line_is_not_held)
{
	static char piece[65536];
	const size_t line_max = 1 << 20;
	struct ration__input input;
	size_t length, most = 0, written = 0;
	int fds[2], lines = 0, too_long = 0;
	enum ration__input_event event;
	char *text;

	memset(piece, 'x', sizeof(piece));
	cr_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	cr_assert_eq(ration__input_attach(&input, fds[0], line_max, NULL), 0);
	while ((event = ration__input_next(&input, &text, &length)) != RATION__INPUT_END) {
		if (event == RATION__INPUT_MORE) {
			if (written < 100 << 20) {
				ssize_t n = write(fds[1], piece, sizeof(piece));

				written += n > 0 ? (size_t)n : 0;
			} else if (fds[1] >= 0) {
				cr_assert_eq(write(fds[1], "\nnext\n", 6), 6);
				close(fds[1]);
				fds[1] = -1;
			}
			cr_assert_eq(ration__input_fill(&input), 0);
		}
		lines += event == RATION__INPUT_LINE;
		too_long += event == RATION__INPUT_TOO_LONG;
		if (event == RATION__INPUT_LINE)
			cr_expect_str_eq(text, "next");
		most = input.capacity > most ? input.capacity : most;
	}
	cr_expect_eq(too_long, 1);
	cr_expect_eq(lines, 1);
	cr_expect_eq(input.line, 2);
	cr_expect_leq(most, line_max + (128 << 10));
	cr_expect_leq(input.capacity, line_max);
	ration__input_close(&input);
	close(fds[0]);
}

Test(input, what_cannot_be_read)
{
	struct ration__input input = {.fd = 77};
	ration_error *err = NULL;

	cr_expect_eq(ration__input_open(&input, "/nowhere/at/all", 8, &err), RATION_ENOFILE);
	cr_expect(strstr(ration_error_text(err), "No such file"));
	ration_error_free(err);
	err = NULL;
	cr_expect_eq(ration__input_open(&input, "/tmp", 8, &err), RATION_ENOFILE);
	cr_expect(strstr(ration_error_text(err), "directory"));
	ration_error_free(err);
	cr_expect_eq(input.fd, 77);
}
