/**
 * A driver that fails on request: the n-th call of those that can fail returns an error and does
 * nothing.
 */
#ifndef TESTS_HARNESS_VULKAN_FAULT_H
#define TESTS_HARNESS_VULKAN_FAULT_H

#include <stdbool.h>
#include "render/device.h"

/** Put the fault layer between `device` and its driver. One device at a time. */
void vulkan_fault_install(struct sbx_device *device);
void vulkan_fault_remove(void);

/** Let the call number `n` (from 0) fail with `result`. */
void vulkan_fault_fail(unsigned n, VkResult result);
/** Whether that has happened; "vkFoo" in *name. */
bool vulkan_fault_happened(const char **name);
/**
 * Ask choose(), before each call, whether it fails, and how. It may do anything else before the call is
 * made. Until vulkan_fault_remove().
 */
void vulkan_fault_choose(bool (*choose)(const char *name, VkResult *result));
/** Let no call fail until vulkan_fault_resume(), which takes what this returned. */
unsigned vulkan_fault_pause(void);
void vulkan_fault_resume(unsigned left);
/** Let no call fail any more, and forget what happened. */
void vulkan_fault_stop(void);

/**
 * Run op(data) again and again, and let its first, second, ... call fail with `result`, until none is
 * left to fail. op() asserts what it has to, cleans up, and returns what the tested function did: not
 * negative only if nothing failed, or if it could do without. After each run no fd may be left over.
 * Returns how many calls were failed.
 */
unsigned vulkan_each_call_fails(struct sbx_device *device, VkResult result,
	int (*op)(struct sbx_device *device, void *data), void *data);

#endif
