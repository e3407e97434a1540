/* Criterion alone does not fail on leaks: a suite's .fini. */
#ifndef HTTP_LEAKS_H
#define HTTP_LEAKS_H

#include <stdlib.h>

__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

static inline void check_leaks(void)
{
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		abort();
}

#endif
