#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness/suite.h"
#include "trace/log.h"

static char heard[256];
static char heard_by_default[256];

static void listen(enum sbx_log_level level, const char *format, va_list args) {
	int n = snprintf(heard, sizeof(heard), "%d:", level);
	vsnprintf(heard + n, sizeof(heard) - n, format, args);
	errno = ENOSPC;
}

static void listen_by_default(enum sbx_log_level level, const char *format, va_list args) {
	vsnprintf(heard_by_default, sizeof(heard_by_default), format, args);
}

static int forget(void **state) {
	heard[0] = heard_by_default[0] = '\0';
	return 0;
}

static void test_level(void **state) {
	sbx_log_init(SBX_LOG_INFO, listen);
	sbx_log_debug("not this");
	assert_string_equal(heard, "");
	sbx_log_info("frame %d", 7);
	assert_string_equal(heard, "2:frame 7");
	sbx_log_error("kernel: no");
	assert_string_equal(heard, "1:kernel: no");
}

static void test_silent(void **state) {
	sbx_log_init(SBX_LOG_SILENT, listen);
	sbx_log_error("not this");
	assert_string_equal(heard, "");
}

static void test_errno(void **state) {
	sbx_log_init(SBX_LOG_INFO, listen);
	errno = EMFILE;
	sbx_log_error("kernel: %s", strerror(errno));
	assert_int_equal(errno, EMFILE);
}

static void test_default(void **state) {
	sbx_log_init(SBX_LOG_INFO, NULL);
	sbx_log_set_default(listen_by_default);
	sbx_log_info("to the default");
	assert_string_equal(heard_by_default, "to the default");
	sbx_log_init(SBX_LOG_INFO, listen);
	sbx_log_info("to the chosen");
	assert_string_equal(heard_by_default, "to the default");
	assert_string_equal(heard, "2:to the chosen");
	sbx_log_set_default(NULL);
}

/* Before sbx_log_init(): so this has to be the first case. */
static void test_environment(void **state) {
	setenv("SIGNALBOX_LOG", "debug", 1);
	sbx_log_set_default(listen_by_default);
	sbx_log_debug("asked for");
	assert_string_equal(heard_by_default, "asked for");
	sbx_log_set_default(NULL);
}

static const struct CMUnitTest host[] = {
	{ "log: the environment sets the verbosity", test_environment, forget, NULL, NULL },
	{ "log: verbosity", test_level, forget, NULL, NULL },
	{ "log: silence", test_silent, forget, NULL, NULL },
	{ "log: errno is kept", test_errno, forget, NULL, NULL },
	{ "log: the default listener", test_default, forget, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "trace/log", host, SUITE_COUNT(host), NULL, 0);
}
