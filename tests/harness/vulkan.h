/**
 * A Vulkan device for a test, with validation, and a log that is read along.
 *
 * Where there is no Vulkan device the tests are skipped; in the lab (SIGNALBOX_LAB=1) its absence, or
 * that of the validation layers, is a failure.
 */
#ifndef TESTS_HARNESS_VULKAN_H
#define TESTS_HARNESS_VULKAN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "render/device.h"

/**
 * cmocka's setup and teardown: *state is a struct sbx_device. The device is software unless
 * SIGNALBOX_DEVICE names another. The teardown closes it and fails on any validation message (also one
 * about closing), any "signalbox bug:" line, and any fd left open.
 */
int vulkan_setup(void **state);
int vulkan_teardown(void **state);

#define VULKAN_TEST(function) \
	cmocka_unit_test_setup_teardown(function, vulkan_setup, vulkan_teardown)

/** main() of a test program; exits with 77 where there is no Vulkan device. */
int vulkan_main(const char *name, const struct CMUnitTest *tests, size_t count);
#define VULKAN_MAIN(name, tests) vulkan_main(name, tests, sizeof(tests) / sizeof((tests)[0]))

/**
 * main() of a test program whose argument "lab" chooses the cases that need dma-bufs and vgem: skipped
 * where there are none, unless this is the lab.
 */
int vulkan_main_lab(int argc, char *argv[], const char *name, const struct CMUnitTest *host,
	size_t host_count, const struct CMUnitTest *lab, size_t lab_count);
#define VULKAN_MAIN_LAB(argc, argv, name, host, lab) vulkan_main_lab(argc, argv, name, host, \
	sizeof(host) / sizeof((host)[0]), lab, sizeof(lab) / sizeof((lab)[0]))

/** This test provoked a "signalbox bug:" line (or a validation message) on purpose. */
void vulkan_forgive(void);

/** What another library leaves open in this test is not ours: its fds are not counted. */
void vulkan_forgive_fds(void);

/** A second device besides the test's, or NULL. sbx_device_destroy() it. */
struct sbx_device *vulkan_open(void);

/** Begin to remember lines; forget the old ones. The setup does it too. */
void log_forget(void);
/** How many lines since then contain `text`. */
unsigned log_count(const char *text);
/** How many lines at error level there were. */
unsigned log_errors(void);

/** Do not print the lines that follow: what a control provokes is no news. Until the next setup. */
void log_hush(void);

/** How many fds this process has open. */
unsigned open_fd_count(void);

/**
 * The same, but for up to two seconds until it is `expected`: Mesa's shader cache writes files from a
 * thread of its own.
 */
unsigned settled_fd_count(unsigned expected);

/** Whether this runs in the lab VM, where nothing may be skipped. */
bool in_lab(void);

/** A compute pipeline of that SPIR-V, whose entry is main(). Fails the test on any error. */
VkPipeline vulkan_create_compute(struct sbx_device *device, VkPipelineLayout layout, const uint32_t *code,
	size_t size);

#endif
