/**
 * A fault: one use of one call into the kernel or the driver that goes wrong, told by name, number and
 * error; and the planted defects of the controls, which make the library wrong from outside.
 *
 * In front of whatever table sync/ uses (sync/kernel.h). Calls that the test itself makes
 * (kernel_fake.paused) neither count nor fail.
 */
#ifndef SWEEP_FAULT_H
#define SWEEP_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum fault_mode {
	/** That one use fails. */
	FAULT_ONCE,
	/** And the next 20 uses of the same call: a want that lasts for a while. */
	FAULT_SPELL,
	/** And all calls on the DRM device from there on: it was unplugged. */
	FAULT_FOR_GOOD,
};

struct fault {
	/** Index of fault_calls; -1: none. */
	int call;
	/** Which use fails, from 0. */
	unsigned n;
	/** Negative errno; of a Vulkan call its VkResult. */
	int error;
	enum fault_mode mode;
};

/** A planted defect: what a broken library would do, done for it. */
enum fault_plant {
	PLANT_NOTHING,
	/** A point that is pending is taken for signalled. */
	PLANT_IGNORED_WAIT,
	/** A fence is not handed to the driver: the GPU does not wait. */
	PLANT_IGNORED_GPU_WAIT,
	/** A release point is signalled at once instead of with its reader's fence. */
	PLANT_EARLY_RELEASE,
	/** A release point is forgotten. */
	PLANT_LOST_RELEASE,
	PLANT_LOST_FD,
	PLANT_LOST_HANDLE,
	PLANT_LOST_MEMORY,
};

struct fault_call {
	const char *name;
	bool vulkan;
	/** ioctl() type and number; 0: not an ioctl. */
	unsigned type, nr;
	/** It does its work and then says that it failed: what cannot fail otherwise. */
	bool works;
	/** What it can give, 0: the end. */
	int errors[8];
};

extern const struct fault_call fault_calls[];
extern const size_t fault_call_count;

/** Put the layer in front of the table in use, and take it away. Uses are counted from 0. */
void fault_install(const struct fault *fault, enum fault_plant plant);
void fault_remove(void);

/** While paused no call counts or fails, except that a device which is gone stays so. */
void fault_pause(bool pause);

/** Whether the fault has happened. */
bool fault_happened(void);

/** How often that call was used since fault_install(). */
unsigned fault_uses(int call);

/** For the Vulkan layer: one use of this call. Returns whether it fails, and *error. */
bool fault_vulkan(const char *name, int *error);
enum fault_plant fault_planted(void);

#endif
