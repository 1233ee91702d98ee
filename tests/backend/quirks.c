#include <errno.h>
#include "backend/quirks.h"
#include "backend/rig.h"
#include <wlr/backend/interface.h>

static const struct wlr_backend_impl impl = { 0 };

static void test_remembered(void **state) {
	struct wlr_backend first, second;
	sbx_quirks_forget();
	wlr_backend_init(&first, &impl);
	wlr_backend_init(&second, &impl);
	struct sbx_quirks *quirks = sbx_quirks_get(&first);
	assert_string_equal(quirks->driver, "parent");
	assert_false(quirks->is_kms);
	assert_false(quirks->refuses_fences);
	sbx_quirks_learn_refusal(quirks, EPERM);
	sbx_quirks_learn_refusal(quirks, EINVAL);
	assert_int_equal(rig_count_log("refuses a commit with a fence: Operation not permitted"), 1);
	assert_int_equal(rig_count_log("refuses a commit with a fence"), 1);
	assert_ptr_equal(sbx_quirks_get(&second), quirks);
	assert_true(sbx_quirks_get(&second)->refuses_fences);
	assert_int_equal(quirks->refused_errno, EPERM);
	sbx_quirks_forget();
	assert_false(sbx_quirks_get(&first)->refuses_fences);
}

static const struct CMUnitTest host[] = {
	{ "quirks: what one learns the others know", test_remembered, rig_setup, rig_teardown, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/quirks", host, SUITE_COUNT(host), NULL, 0);
}
