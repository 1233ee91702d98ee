/**
 * What draws in the story: our renderer on a Vulkan device, or a GPU that is played, where work is done
 * when the test says so.
 */
#ifndef SWEEP_GPU_H
#define SWEEP_GPU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct test_compositor;
struct wlr_renderer;
struct wlr_surface;

enum {
	GPU_OUTPUTS = 2,
	/** Surfaces side by side on each output. */
	GPU_SLOTS = 6,
	GPU_TILE = 16,
};

#define GPU_BACKGROUND 0x102030u
/** A slot that is not of one colour. */
#define GPU_MIXED 0xffffffffu

struct gpu {
	struct wlr_renderer *renderer;
	/** The compositor that it draws for; NULL: none. */
	struct test_compositor *compositor;
	/** Draw the surfaces' content (NULL: background). False: the output keeps what it shows. */
	bool (*draw)(struct gpu *gpu, int output, struct wlr_surface *const surfaces[GPU_SLOTS]);
	/** Everything that was drawn is done after this. */
	void (*finish)(struct gpu *gpu);
	uint32_t (*pixel)(struct gpu *gpu, int output, int slot);
	/** Whether work that was drawn and is not done reads the dma-buf with this inode. */
	bool (*is_reading)(struct gpu *gpu, ino_t inode);
	/** `compositor` (NULL: none) is what it draws for from now on. */
	void (*join)(struct gpu *gpu, struct test_compositor *compositor);
	void (*destroy)(struct gpu *gpu);
	/**
	 * Called when the CPU waits for the GPU or is about to: the story completes the fences that the
	 * GPU waits for.
	 */
	void (*waiting)(void *data);
	void *data;
	/** What went wrong, NULL: nothing. */
	const char *fault;
};

struct gpu *gpu_fake_create(void);
/**
 * Whether completions are exported as fences even where that waits for the work: what hardware does, on a
 * software device.
 */
extern bool gpu_real_exports;
/** NULL: there is no Vulkan device that can do it. */
struct gpu *gpu_real_create(void);

#endif
