#include <string.h>
#include "harness/suite.h"
#include "trace/event.h"

static void test_names(void **state) {
	for (enum sbx_event_kind kind = 0; kind < SBX_EVENT_KINDS; kind++) {
		const char *name = sbx_event_name(kind);
		assert_non_null(name);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
		for (enum sbx_event_kind other = 0; other < kind; other++) {
			assert_string_not_equal(name, sbx_event_name(other));
		}
	}
}

/* Passes and commits of outputs are known by their value: it is their number. */
static void test_scopes(void **state) {
	for (enum sbx_event_kind kind = 0; kind < SBX_EVENT_KINDS; kind++) {
		switch (sbx_event_scope(kind)) {
		case SBX_SCOPE_LOAN:
			assert_null(sbx_event_extra_name(kind));
			break;
		case SBX_SCOPE_PASS:
			assert_string_equal(sbx_event_value_name(kind), "pass");
			break;
		case SBX_SCOPE_OUTPUT:
			assert_string_equal(sbx_event_value_name(kind), "commit");
			break;
		}
	}
	assert_int_equal(sbx_event_scope(SBX_EVENT_READ), SBX_SCOPE_LOAN);
	assert_int_equal(sbx_event_scope(SBX_EVENT_GPU_ENDED), SBX_SCOPE_PASS);
	assert_int_equal(sbx_event_scope(SBX_EVENT_OUTPUT_PRESENTED), SBX_SCOPE_OUTPUT);
}

static const struct CMUnitTest host[] = {
	{ "event: each has a name of its own", test_names, NULL, NULL, NULL },
	{ "event: whom it is about", test_scopes, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "trace/event", host, SUITE_COUNT(host), NULL, 0);
}
