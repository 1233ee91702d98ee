#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include "harness/kernel_fake.h"
#include "harness/protocol_lab.h"
#include "sync/fd.h"

static void with_environment(struct protocol_lab *lab, const char *value, bool offered) {
	setenv("SIGNALBOX_EXPLICIT_SYNC", value, 1);
	struct test_compositor *compositor =
		test_compositor_create(sbx_sync_get_drm_fd(lab->sync->sync), NULL);
	unsetenv("SIGNALBOX_EXPLICIT_SYNC");
	assert_int_equal(compositor->manager != NULL, offered);
	struct test_client *client = test_client_create(compositor, lab->sync->sync);
	assert_int_equal(client->syncobj != NULL, offered);
	test_client_destroy(client);
	test_compositor_destroy(compositor);
}

static void test_off_switch(void **state) {
	with_environment(*state, "0", false);
	with_environment(*state, "off", false);
	with_environment(*state, "1", true);
	with_environment(*state, "", true);
}

static bool allow_if(const struct wl_client *client, void *data) {
	return *(bool *)data;
}

static void test_client_filter(void **state) {
	struct protocol_lab *lab = *state;
	bool allowed = true;
	struct sbx_syncobj_options options = { .allow_client = allow_if, .data = &allowed };
	struct test_compositor *compositor =
		test_compositor_create(sbx_sync_get_drm_fd(lab->sync->sync), &options);
	for (int i = 0; i < 2; i++) {
		struct test_client *client = test_client_create(compositor, lab->sync->sync);
		assert_int_equal(client->syncobj != NULL, allowed);
		assert_non_null(client->dmabuf);
		test_client_destroy(client);
		allowed = false;
	}
	test_compositor_destroy(compositor);
}

static void test_no_syncobjs(void **state) {
	struct wl_display *display = wl_display_create();
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	kernel_fake.ioctl = NULL;
	assert_null(sbx_syncobj_manager_create(display, 1, fd, NULL));
	assert_null(sbx_syncobj_manager_create(display, 1, -1, NULL));
	assert_null(sbx_syncobj_manager_create(display, 2, fd, NULL));
	wl_display_destroy(display);
	sbx_fd_close(&fd);
}

static int create_and_destroy(void *data) {
	struct protocol_lab *lab = data;
	struct wl_display *display = wl_display_create();
	struct sbx_syncobj_manager *manager = sbx_syncobj_manager_create(display, 1,
		sbx_sync_get_drm_fd(lab->sync->sync), &(struct sbx_syncobj_options){ .keep_fd_limit = true });
	wl_display_destroy(display);
	return manager != NULL ? 0 : -1;
}

static void test_creation_fails(void **state) {
	suite_each_call_fails(-ENOMEM, create_and_destroy, *state);
}

/* A client may drop the manager and go on with what it made through it. */
static void test_manager_destroyed(void **state) {
	struct protocol_lab *lab = *state;
	struct test_window window;
	test_window_open(lab->client, &window);
	wl_proxy_marshal_flags((struct wl_proxy *)lab->client->syncobj, 0, NULL, 1, WL_MARSHAL_FLAG_DESTROY);
	lab->client->syncobj = NULL;
	test_signal(lab->client, &window.acquire, 1);
	test_show(&window, 3, 1, 1);
	assert_true(test_client_roundtrip(lab->client));
	assert_int_equal(test_window_content(&window), 3);
	test_window_close(&window);
	protocol_lab_check(lab);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		PROTOCOL_FAKE("manager: the off switch", test_off_switch),
		PROTOCOL_FAKE("manager: refused clients", test_client_filter),
		{ "manager: no syncobjs", test_no_syncobjs, suite_kernel_setup, suite_kernel_teardown, NULL },
		PROTOCOL_FAKE("manager: creation fails at every call", test_creation_fails),
		PROTOCOL_FAKE("manager: destroyed by the client", test_manager_destroyed),
	};
	return suite_run(argc, argv, "protocol/manager", host, SUITE_COUNT(host), NULL, 0);
}
