#include <stdlib.h>
#include "harness/vulkan.h"
#include "render/batch.h"
#include "render/retire.h"

#define SECOND 1000000000ull

static unsigned destroyed;
static int order[8];

static void note(struct sbx_device *device, void *object) {
	order[destroyed++] = *(int *)object;
}

static void retire_another(struct sbx_device *device, void *object) {
	note(device, object);
	sbx_retire_after(device, device->submitted + 1, note, object);
}

static void poll_again(struct sbx_device *device, void *object) {
	note(device, object);
	sbx_device_poll(device);
}

static uint64_t submit_nothing(struct sbx_device *device) {
	struct sbx_batch *batch = sbx_batch_begin(device);
	uint64_t value = 0;
	assert_non_null(batch);
	assert_int_equal(sbx_batch_submit(batch, NULL, &value), 0);
	return value;
}

static int reset(void **state) {
	destroyed = 0;
	return vulkan_setup(state);
}

static void test_at_once(void **state) {
	struct sbx_device *device = *state;
	int a = 1;
	sbx_retire_after(device, 0, note, &a);
	assert_int_equal(destroyed, 1);
	uint64_t value = submit_nothing(device);
	assert_int_equal(sbx_device_wait(device, value, SECOND), 0);
	sbx_retire_after(device, value, note, &a);
	assert_int_equal(destroyed, 2);
}

static void test_after(void **state) {
	struct sbx_device *device = *state;
	int a = 1, b = 2, c = 3;
	sbx_retire_after(device, 1, note, &a);
	sbx_retire_after(device, 2, note, &b);
	sbx_retire_after(device, 1, note, &c);
	sbx_device_poll(device);
	assert_int_equal(destroyed, 0);
	assert_int_equal(sbx_device_wait(device, submit_nothing(device), SECOND), 0);
	assert_int_equal(destroyed, 2);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 3);
	assert_int_equal(sbx_device_wait(device, submit_nothing(device), SECOND), 0);
	assert_int_equal(destroyed, 3);
}

static void test_from_destructor(void **state) {
	struct sbx_device *device = *state;
	int a = 1, b = 2;
	sbx_retire_after(device, 1, retire_another, &a);
	sbx_retire_after(device, 1, poll_again, &b);
	assert_int_equal(sbx_device_wait(device, submit_nothing(device), SECOND), 0);
	assert_int_equal(destroyed, 2);
	assert_int_equal(sbx_device_wait(device, submit_nothing(device), SECOND), 0);
	assert_int_equal(destroyed, 3);
}

/* What waits for a submission that never came goes with the device. */
static void test_with_device(void **state) {
	struct sbx_device *device = vulkan_open();
	assert_non_null(device);
	int numbers[100] = {0};
	destroyed = 0;
	for (int i = 0; i < 8; i++) {
		numbers[i] = i;
		sbx_retire_after(device, 1000 + i, note, &numbers[i]);
	}
	sbx_device_destroy(device);
	assert_int_equal(destroyed, 8);
}

static void test_lost(void **state) {
	struct sbx_device *device = *state;
	int a = 1;
	sbx_retire_after(device, 7, note, &a);
	device->lost = true;
	sbx_device_poll(device);
	assert_int_equal(destroyed, 1);
	sbx_retire_after(device, 8, note, &a);
	assert_int_equal(destroyed, 2);
	device->lost = false;
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, reset, vulkan_teardown)

int main(int argc, char *argv[]) {
	const struct CMUnitTest tests[] = {
		CASE(test_at_once),
		CASE(test_after),
		CASE(test_from_destructor),
		CASE(test_with_device),
		CASE(test_lost),
	};
	return VULKAN_MAIN("render/retire", tests);
}
