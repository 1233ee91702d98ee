/*
 * Two processes, one GPU: a producer draws into images that it shares by OPAQUE_FD, a consumer reads
 * them. Two timelines, shared by OPAQUE_FD too, say when: acquire point n is signalled by the drawing of
 * frame n, release point n by its reading. No CPU stands between the two.
 *
 *   render-handover gpu|cpu [FRAMES [SIZE]]
 *
 * Every pixel of frame n is the number n; the consumer's GPU counts pixels that are something else. The
 * control does the same without waiting, and must find such pixels. "cpu": the same images, handed over
 * by bytes through a socket, for devices that cannot share timelines.
 *
 * What it prints besides: the time of a frame, with images to spare and with a single one, which must go
 * to and fro for each frame: that is two hand-overs with their work.
 */
#include <drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "harness/peer.h"
#include "harness/vulkan.h"
#include "render/batch.h"
#include "render/buffer.h"
#include "render/compose.h"
#include "render/format.h"
#include "render/frame.h"
#include "render/image.h"
#include "render/semaphore.h"
// after volk.h
#include "check.comp.h"

#define SECOND 1000000000ull
#define TIMEOUT_NS (30 * SECOND)
#define MAX_IMAGES 3
/** Frames that either side has sent ahead at most; two submissions each fit a device's ring of batches. */
#define AHEAD 8
#define OPAQUE (1u << SBX_SEMAPHORE_OPAQUE_FD)

static struct {
	bool cpu;
	unsigned long frames;
	unsigned size;
} options = { .frames = 2000, .size = 256 };

/** One way to do it; both processes know it. */
struct way {
	unsigned n_images;
	unsigned long frames;
	bool waiting;
};

struct side {
	struct sbx_device *device;
	struct way way;
	int socket;
	struct sbx_image *images[MAX_IMAGES];
	struct sbx_semaphore *acquire, *release;
	/** By frame modulo AHEAD: its submission. */
	uint64_t values[AHEAD];
};

struct result {
	unsigned long wrong_frames, torn_frames;
	double frame_ns;
};

static const uint32_t uses = SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE;

static const struct sbx_format *format(void) {
	return sbx_format_from_drm(DRM_FORMAT_XRGB8888);
}

/** Wait until frame n - AHEAD is done, so that what it used can be used again. */
static void make_room(struct side *side, unsigned long n) {
	if (n > AHEAD) {
		assert_int_equal(sbx_device_wait(side->device, side->values[n % AHEAD], TIMEOUT_NS), 0);
	}
}

static void finish_side(struct side *side) {
	assert_int_equal(sbx_device_wait(side->device, side->device->submitted, TIMEOUT_NS), 0);
	for (unsigned i = 0; i < side->way.n_images; i++) {
		sbx_image_destroy(side->images[i]);
	}
	sbx_semaphore_destroy(side->acquire);
	sbx_semaphore_destroy(side->release);
}

/* The producer, which makes everything that is shared. */

static void share_semaphore(struct side *side, struct sbx_semaphore **semaphore) {
	int fd = -1;
	assert_int_equal(sbx_semaphore_create(side->device, SBX_SEMAPHORE_TIMELINE, OPAQUE, 0,
		semaphore), 0);
	assert_int_equal(sbx_semaphore_export(*semaphore, SBX_SEMAPHORE_OPAQUE_FD, &fd), 0);
	peer_send_fd(side->socket, fd);
	close(fd);
}

/** The upper or the lower half of frame n. */
static struct sbx_frame *begin_half(struct side *side, struct sbx_composer *composer,
		unsigned long n, bool lower) {
	struct sbx_frame *frame = sbx_composer_begin(composer, side->images[n % side->way.n_images]);
	int size = (int)options.size;
	assert_non_null(frame);
	sbx_frame_add_rect(frame, &(struct sbx_rect_op){
		.box = { 0, lower ? size / 2 : 0, size, lower ? size : size / 2 },
		.color = { (float)(n & 0xff) / 255, (float)(n >> 8 & 0xff) / 255,
			(float)(n >> 16 & 0xff) / 255, 1 },
	});
	return frame;
}

/** The consumer imports images that have been used. */
static void share_images(struct side *side, struct sbx_composer *composer) {
	for (unsigned i = 0; i < side->way.n_images; i++) {
		uint64_t value = 0;
		int fd = -1;
		assert_int_equal(sbx_image_create_opaque(side->device, format(), options.size,
			options.size, uses, &side->images[i]), 0);
		assert_int_equal(sbx_frame_submit(begin_half(side, composer, i, false), NULL, &value), 0);
		assert_int_equal(sbx_device_wait(side->device, value, TIMEOUT_NS), 0);
		assert_int_equal(sbx_image_export_opaque(side->images[i], &fd), 0);
		peer_send_fd(side->socket, fd);
		close(fd);
	}
}

/** In two submissions, so that there is a moment in which one half is drawn. */
static void draw(struct side *side, struct sbx_composer *composer, unsigned long n) {
	uint64_t *value = &side->values[n % AHEAD];
	bool reused = n > side->way.n_images && side->way.waiting;
	make_room(side, n);
	if (options.cpu && reused) {
		peer_await(side->socket);
	}
	struct sbx_frame *frame = begin_half(side, composer, n, false);
	if (!options.cpu && reused) {
		assert_int_equal(sbx_batch_wait_semaphore(frame->batch, side->release,
			n - side->way.n_images), 0);
	}
	assert_int_equal(sbx_frame_submit(frame, NULL, NULL), 0);
	frame = begin_half(side, composer, n, true);
	if (!options.cpu) {
		assert_int_equal(sbx_batch_signal_semaphore(frame->batch, side->acquire, n), 0);
	}
	assert_int_equal(sbx_frame_submit(frame, NULL, value), 0);
	if (options.cpu && side->way.waiting) {
		assert_int_equal(sbx_device_wait(side->device, *value, TIMEOUT_NS), 0);
		peer_tell(side->socket);
	}
}

static void produce(struct side *side) {
	struct sbx_composer *composer = NULL;
	assert_int_equal(sbx_composer_create(side->device, &composer), 0);
	share_images(side, composer);
	if (!options.cpu) {
		share_semaphore(side, &side->acquire);
		share_semaphore(side, &side->release);
	}
	peer_await(side->socket);
	for (unsigned long n = 1; n <= side->way.frames; n++) {
		draw(side, composer, n);
	}
	for (unsigned i = 0; options.cpu && side->way.waiting && i < side->way.n_images; i++) {
		peer_await(side->socket);
	}
	// The consumer still reads the images, and the timelines.
	peer_await(side->socket);
	finish_side(side);
	sbx_composer_destroy(composer);
}

/* The consumer. */

struct checker {
	struct sbx_device *device;
	VkDescriptorSetLayout set_layout;
	VkDescriptorPool pool;
	VkDescriptorSet sets[MAX_IMAGES];
	VkPipelineLayout layout;
	VkPipeline pipeline;
	/** How many pixels were wrong, by frame modulo AHEAD. */
	struct sbx_buffer *wrong;
};

static void create_layouts(struct checker *checker) {
	struct sbx_device *device = checker->device;
	const VkDescriptorSetLayoutBinding bindings[] = {
		{ .binding = 0, .descriptorType = VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, .descriptorCount = 1,
			.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT },
		{ .binding = 1, .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = 1,
			.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT },
	};
	const VkDescriptorSetLayoutCreateInfo set_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.bindingCount = 2, .pBindings = bindings,
	};
	assert_int_equal(SBX_VK(device, vkCreateDescriptorSetLayout, device->handle, &set_info, NULL,
		&checker->set_layout), 0);
	const VkPushConstantRange range = { VK_SHADER_STAGE_COMPUTE_BIT, 0, 8 };
	const VkPipelineLayoutCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = 1, .pSetLayouts = &checker->set_layout,
		.pushConstantRangeCount = 1, .pPushConstantRanges = &range,
	};
	assert_int_equal(SBX_VK(device, vkCreatePipelineLayout, device->handle, &info, NULL,
		&checker->layout), 0);
	const VkDescriptorPoolSize sizes[] = {
		{ VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, MAX_IMAGES },
		{ VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, MAX_IMAGES },
	};
	const VkDescriptorPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.maxSets = MAX_IMAGES, .poolSizeCount = 2, .pPoolSizes = sizes,
	};
	assert_int_equal(SBX_VK(device, vkCreateDescriptorPool, device->handle, &pool_info, NULL,
		&checker->pool), 0);
}

static void create_set(struct checker *checker, unsigned i, const struct sbx_image *image) {
	struct sbx_device *device = checker->device;
	const VkDescriptorSetAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = checker->pool,
		.descriptorSetCount = 1, .pSetLayouts = &checker->set_layout,
	};
	assert_int_equal(SBX_VK(device, vkAllocateDescriptorSets, device->handle, &info,
		&checker->sets[i]), 0);
	const VkDescriptorImageInfo image_info = {
		.imageView = image->sample_view, .imageLayout = VK_IMAGE_LAYOUT_GENERAL,
	};
	const VkDescriptorBufferInfo buffer_info = { checker->wrong->handle, 0, VK_WHOLE_SIZE };
	const VkWriteDescriptorSet writes[] = {
		{ .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = checker->sets[i],
			.dstBinding = 0, .descriptorCount = 1,
			.descriptorType = VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, .pImageInfo = &image_info },
		{ .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = checker->sets[i],
			.dstBinding = 1, .descriptorCount = 1,
			.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .pBufferInfo = &buffer_info },
	};
	device->vk.vkUpdateDescriptorSets(device->handle, 2, writes, 0, NULL);
}

static void create_checker(struct checker *checker, const struct side *side) {
	checker->device = side->device;
	checker->wrong = sbx_buffer_create(side->device, AHEAD * sizeof(uint32_t),
		VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, SBX_BUFFER_READBACK, "wrong pixels");
	assert_non_null(checker->wrong);
	memset(checker->wrong->data, 0, AHEAD * sizeof(uint32_t));
	create_layouts(checker);
	checker->pipeline = vulkan_create_compute(checker->device, checker->layout, check_comp, sizeof(check_comp));
	for (unsigned i = 0; i < side->way.n_images; i++) {
		create_set(checker, i, side->images[i]);
	}
}

static void destroy_checker(struct checker *checker) {
	struct sbx_device *device = checker->device;
	device->vk.vkDestroyPipeline(device->handle, checker->pipeline, NULL);
	device->vk.vkDestroyPipelineLayout(device->handle, checker->layout, NULL);
	device->vk.vkDestroyDescriptorPool(device->handle, checker->pool, NULL);
	device->vk.vkDestroyDescriptorSetLayout(device->handle, checker->set_layout, NULL);
	sbx_buffer_destroy(checker->wrong);
}

static void receive_semaphore(struct side *side, struct sbx_semaphore **semaphore) {
	int fd = peer_receive_fd(side->socket);
	assert_true(fd >= 0);
	assert_int_equal(sbx_semaphore_create(side->device, SBX_SEMAPHORE_TIMELINE, 0, 0, semaphore),
		0);
	assert_int_equal(sbx_semaphore_import(*semaphore, SBX_SEMAPHORE_OPAQUE_FD,
		SBX_SEMAPHORE_PERMANENT, &fd), 0);
	assert_int_equal(fd, -1);
}

static void receive_all(struct side *side) {
	for (unsigned i = 0; i < side->way.n_images; i++) {
		int fd = peer_receive_fd(side->socket);
		assert_true(fd >= 0);
		assert_int_equal(sbx_image_import_opaque(side->device, format(), options.size,
			options.size, uses, &fd, &side->images[i]), 0);
		assert_int_equal(fd, -1);
	}
	if (!options.cpu) {
		receive_semaphore(side, &side->acquire);
		receive_semaphore(side, &side->release);
	}
}

static void record_check(struct checker *checker, struct side *side, struct sbx_batch *batch,
		unsigned long n) {
	const struct VolkDeviceTable *vk = &side->device->vk;
	VkCommandBuffer commands = sbx_batch_commands(batch);
	const uint32_t constants[] = { n & 0xffffff, n % AHEAD };
	const VkMemoryBarrier2 to_host = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
		.srcAccessMask = VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT,
		.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT | VK_ACCESS_2_HOST_WRITE_BIT,
	};
	const VkDependencyInfo dependency = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = 1, .pMemoryBarriers = &to_host,
	};
	assert_int_equal(sbx_batch_use_texture(batch, side->images[n % side->way.n_images]), 0);
	sbx_batch_flush_barriers(batch);
	vk->vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, checker->pipeline);
	vk->vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, checker->layout, 0, 1,
		&checker->sets[n % side->way.n_images], 0, NULL);
	vk->vkCmdPushConstants(commands, checker->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
		sizeof(constants), constants);
	vk->vkCmdDispatch(commands, (options.size + 15) / 16, (options.size + 15) / 16, 1);
	vk->vkCmdPipelineBarrier2(commands, &dependency);
}

/** What was found in frame n, which is done. */
static void collect(struct checker *checker, unsigned long n, struct result *result) {
	uint32_t *wrong = &((uint32_t *)checker->wrong->data)[n % AHEAD];
	result->wrong_frames += *wrong > 0;
	result->torn_frames += *wrong > 0 && *wrong < options.size * options.size;
	*wrong = 0;
}

static void check(struct checker *checker, struct side *side, unsigned long n,
		struct result *result) {
	unsigned at = n % AHEAD;
	make_room(side, n);
	if (n > AHEAD) {
		collect(checker, n - AHEAD, result);
	}
	if (options.cpu && side->way.waiting) {
		peer_await(side->socket);
	}
	struct sbx_batch *batch = sbx_batch_begin(side->device);
	assert_non_null(batch);
	if (!options.cpu && side->way.waiting) {
		assert_int_equal(sbx_batch_wait_semaphore(batch, side->acquire, n), 0);
	}
	record_check(checker, side, batch, n);
	if (!options.cpu) {
		assert_int_equal(sbx_batch_signal_semaphore(batch, side->release, n), 0);
	}
	assert_int_equal(sbx_batch_submit(batch, NULL, &side->values[at]), 0);
	checker->wrong->last_use = side->values[at];
	if (options.cpu && side->way.waiting) {
		assert_int_equal(sbx_device_wait(side->device, side->values[at], TIMEOUT_NS), 0);
		peer_tell(side->socket);
	}
}

static double now_ns(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void consume(struct side *side, struct result *result) {
	struct checker checker = {0};
	unsigned long frames = side->way.frames;
	receive_all(side);
	create_checker(&checker, side);
	peer_tell(side->socket);
	double begin = now_ns();
	for (unsigned long n = 1; n <= frames; n++) {
		check(&checker, side, n, result);
	}
	assert_int_equal(sbx_device_wait(side->device, side->device->submitted, TIMEOUT_NS), 0);
	result->frame_ns = (now_ns() - begin) / (double)frames;
	for (unsigned long n = frames > AHEAD ? frames - AHEAD + 1 : 1; n <= frames; n++) {
		collect(&checker, n, result);
	}
	peer_tell(side->socket);
	finish_side(side);
	destroy_checker(&checker);
}

/* Both. */

static struct result run(struct sbx_device *device, struct way way) {
	char frames[24], images[24], size[24];
	struct side side = { .device = device, .way = way };
	struct result result = {0};
	struct peer peer;
	snprintf(frames, sizeof(frames), "%lu", way.frames);
	snprintf(images, sizeof(images), "%u", way.n_images);
	snprintf(size, sizeof(size), "%u", options.size);
	peer_start(&peer, (const char *const[]){ "render-handover", "peer", options.cpu ? "cpu" : "gpu",
		frames, size, images, way.waiting ? "waiting" : "not", NULL });
	side.socket = peer.socket;
	consume(&side, &result);
	peer_finish(&peer);
	print_message("    %ux%u, %u image%s, %s: %lu frames, %lu wrong, %lu of them torn; "
		"%.1f us a frame\n", options.size, options.size,
		way.n_images, way.n_images == 1 ? "" : "s", way.waiting ? "waiting" : "not waiting",
		way.frames, result.wrong_frames, result.torn_frames, result.frame_ns / 1000);
	return result;
}

static void test_all_whole(void **state) {
	struct result result = run(*state, (struct way){ MAX_IMAGES, options.frames, true });
	assert_int_equal(result.wrong_frames, 0);
}

static void test_to_and_fro(void **state) {
	unsigned long frames = options.frames < 20000 ? options.frames : 20000;
	struct result result = run(*state, (struct way){ 1, frames, true });
	assert_int_equal(result.wrong_frames, 0);
	print_message("    a hand-over with its work: %.1f us\n", result.frame_ns / 2000);
}

/**
 * The control: without waiting there must be wrong pixels. Large images, so that the GPU is also caught in
 * the middle of drawing one.
 */
static void test_not_waiting(void **state) {
	unsigned long frames = options.frames < 20000 ? options.frames : 20000;
	unsigned size = options.size;
	options.size = options.cpu ? size : 2048;
	struct result result = run(*state, (struct way){ 1, frames, false });
	options.size = size;
	assert_true(result.wrong_frames > 0);
}

static struct way peer_way;

static void test_peer(void **state) {
	struct side side = { .device = *state, .way = peer_way, .socket = PEER_SOCKET };
	produce(&side);
}

/** What this device lacks, or NULL. */
static const char *missing(void) {
	struct sbx_device *device = vulkan_open();
	const char *what = NULL;
	if (device == NULL) {
		what = "a Vulkan device";
	} else if (!device->caps.opaque_fd_memory) {
		what = "opaque fds of memory";
	} else if (!options.cpu && !(device->caps.opaque_fd_timeline.export &&
			device->caps.opaque_fd_timeline.import)) {
		what = "OPAQUE_FD timeline semaphores";
	}
	sbx_device_destroy(device);
	return what;
}

/** WAY [FRAMES [SIZE]] */
static void parse(int argc, char *argv[]) {
	options.cpu = argc > 0 && strcmp(argv[0], "cpu") == 0;
	options.frames = argc > 1 ? strtoul(argv[1], NULL, 0) : options.cpu ? 100 : 2000;
	options.size = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : options.cpu ? 64 : 256;
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest peer[] = { VULKAN_TEST(test_peer) };
	const struct CMUnitTest tests[] = {
		VULKAN_TEST(test_all_whole),
		VULKAN_TEST(test_to_and_fro),
		VULKAN_TEST(test_not_waiting),
	};
	if (argc == 7 && strcmp(argv[1], "peer") == 0) {
		parse(3, argv + 2);
		peer_way = (struct way){
			.n_images = (unsigned)atoi(argv[5]),
			.frames = options.frames,
			.waiting = strcmp(argv[6], "waiting") == 0,
		};
		return VULKAN_MAIN("render/handover peer", peer);
	}
	parse(argc - 1, argv + 1);
	const char *lacking = missing();
	if (lacking != NULL) {
		fprintf(stderr, "skipped: there is no device with %s\n", lacking);
		return 77;
	}
	return VULKAN_MAIN("render/handover", tests);
}
