/**
 * What the tests of sync/ have in common. Each program has cases that run anywhere ("host") and cases
 * that need a DRM device and vgem ("lab"): its argument says which to run.
 */
#ifndef HARNESS_SUITE_H
#define HARNESS_SUITE_H

// cmocka.h needs these four before it
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SUITE_COUNT(tests) (sizeof(tests) / sizeof((tests)[0]))

/** main(): exits with 77 (skipped) where "lab" finds no device, in the lab VM with 1. */
int suite_run(int argc, char *argv[], const char *name, const struct CMUnitTest *host, size_t host_count,
	const struct CMUnitTest *lab, size_t lab_count);

/** Open fds, and what the counters say of fds and handles. */
struct census {
	unsigned fds;
	uint64_t counted_fds, counted_handles;
};

struct census census_take(void);
/** Fails the test unless everything is as it was. */
void census_check(const struct census *before);

/**
 * Run op(data) again and again, and let its first, second, third ... call into the kernel fail with
 * `error`, until there is none left to fail. op() asserts what it has to, cleans up and returns what the
 * tested function did; without a failure it must be 0. After each run the census must be as before.
 *
 * kernel_fake must be installed.
 */
void suite_each_call_fails(int error, int (*op)(void *data), void *data);

/** A setup and teardown that install and remove kernel_fake. */
int suite_kernel_setup(void **state);
int suite_kernel_teardown(void **state);

#endif
