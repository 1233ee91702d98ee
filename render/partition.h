/**
 * From drawing operations to disjoint parts, each with its own stack of visible layers.
 *
 * Pure arithmetic: no Vulkan. A part is a rectangle of the target in which the same operations are
 * visible, bottom first. Nothing below a layer that hides everything is listed. Parts do not overlap,
 * and pixels that no operation touches are in no part: they are not written.
 */
#ifndef SBX_RENDER_PARTITION_H
#define SBX_RENDER_PARTITION_H

#include <pixman.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What the partition needs to know of one operation. */
struct sbx_partition_op {
	/** Where it draws, in pixels of the target: its box and clip region, intersected and cut to it. */
	const pixman_box32_t *boxes;
	int n_boxes;
	/** It hides whatever is below it (an opaque rectangle or texture, or blend mode NONE). */
	bool opaque;
};

struct sbx_part {
	/** The rectangle in pixels of the target: x1,y1 inside, x2,y2 outside. */
	int32_t x1, y1, x2, y2;
	/** Its layers: partition->layers[first_layer .. first_layer + n_layers), bottom first. */
	uint32_t first_layer, n_layers;
	/** The lowest layer is not opaque: the target's own content shows through. */
	bool over_target;
};

struct sbx_partition {
	struct sbx_part *parts;
	size_t n_parts, parts_capacity;
	/** Indices into the operations. */
	uint32_t *layers;
	size_t n_layers, layers_capacity;
	/** Scratch memory, kept between frames: in steady state nothing is allocated. */
	struct sbx_partition_scratch *scratch;
};

/** Above these, sbx_partition_build() stops short. */
#define SBX_PARTITION_MAX_PARTS 16384
#define SBX_PARTITION_MAX_LAYERS 131072

void sbx_partition_init(struct sbx_partition *partition);
void sbx_partition_finish(struct sbx_partition *partition);

/**
 * Cut. Returns how many of the operations, from the first, the parts cover: all `n_ops`, or fewer when
 * they are too tangled for the bounds above (at least one; the caller draws those, then the rest on
 * top of the result), or -ENOMEM.
 */
int64_t sbx_partition_build(struct sbx_partition *partition, const struct sbx_partition_op *ops,
	size_t n_ops);

#endif
