/**
 * The composer's descriptors: one array of all textures, one small set for each target.
 *
 * An image gets its slot when it is first drawn and loses it when it is destroyed.
 */
#ifndef SBX_RENDER_DESCRIPTORS_H
#define SBX_RENDER_DESCRIPTORS_H

#include <stdint.h>
#include <volk.h>

struct sbx_device;
struct sbx_image;

/** More targets than any set of outputs, captures and snapshots has buffers. */
#define SBX_MAX_TARGETS 256

/** Numbers 0..size that are free, and who has the others. */
struct sbx_slots {
	struct sbx_image **owners;
	uint32_t *free;
	uint32_t n_free, size;
};

struct sbx_descriptors {
	struct sbx_device *device;
	VkDescriptorPool pool;
	VkSampler sampler;
	/** Set 0: binding 0 the textures, 1 the sampler. */
	VkDescriptorSetLayout textures_layout;
	VkDescriptorSet textures;
	/** Set 1: a frame's data, twice (framedata.c). */
	VkDescriptorSetLayout data_layout;
	/** Set 2: binding 0 the target before the frame, 1 the target to write. */
	VkDescriptorSetLayout target_layout;
	VkDescriptorSet targets[SBX_MAX_TARGETS];
	struct sbx_slots texture_slots, target_slots;
};

/** 0 or a negative errno; sbx_descriptors_finish() is to be called either way. */
int sbx_descriptors_init(struct sbx_descriptors *descriptors, struct sbx_device *device);
/** Images that outlive the composer lose their slots now; nothing can be drawn any more. */
void sbx_descriptors_forget_images(struct sbx_descriptors *descriptors);
/** The GPU must be past all frames. */
void sbx_descriptors_finish(struct sbx_descriptors *descriptors);

/**
 * See to it that the image has a slot to be sampled from (image->sample_slot). -ENOSPC: all are
 * taken; -EBUSY: the image belongs to another composer.
 */
int sbx_descriptors_add_texture(struct sbx_descriptors *descriptors, struct sbx_image *image);

/** The same as a target: targets[image->store_slot] is its set. */
int sbx_descriptors_add_target(struct sbx_descriptors *descriptors, struct sbx_image *image);

/** A set with the layout data_layout, both bindings on the whole of `buffer`. */
int sbx_descriptors_allocate_data(struct sbx_descriptors *descriptors, VkDescriptorSet *set);
void sbx_descriptors_write_data(struct sbx_descriptors *descriptors, VkDescriptorSet set,
	VkBuffer buffer);

#endif
