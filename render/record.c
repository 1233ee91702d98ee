#include <errno.h>
#include <math.h>
#include <string.h>
#include "render/array.h"
#include "render/batch.h"
#include "render/device.h"
#include "render/format.h"
#include "render/frame.h"
#include "render/grade.h"
#include "render/image.h"
#include "trace/counter.h"

/** 32x8: the fastest shape on the GPUs measured, and a row of 8 is what lavapipe runs at once. */
#define USUAL_SHIFT 5
/** The shader takes no others: pieces of a tile are 16 columns of two rows. */
#define MIN_SHIFT 4
#define MAX_SHIFT (SBX_TILE_SHIFT - 1)
/**
 * From so many pixels on, parts of a single layer get a dispatch of their own beside others'. The barrier
 * between the two costs an H100 some 5 us, drawing these pixels with SBX_PIPELINE_STACK twice that.
 */
#define MIN_SINGLE_PIXELS (1 << 21)
/** maxComputeWorkGroupCount is at least 65535 on each axis. */
#define MAX_GROUPS_X 32768

/* How many bits the packed parts have; partition.h's bounds lie below. */
#define MAX_LAYERS_OF_PART ((1 << (32 - SBX_PART_LAYER_BITS)) - 1)
#define MAX_FIRST_LAYER ((1 << SBX_PART_LAYER_BITS) - 1)
#define MAX_GROUPS ((1 << SBX_PART_GROUP_BITS) - 1)
/** So that a stack fits the bits of MAX_LAYERS_OF_PART. */
#define MAX_LAYERS_AT_ONCE 8192
_Static_assert(SBX_TILE_SHIFT < 1 << SBX_PART_SHIFT_BITS &&
	SBX_PART_OVER_TARGET == 1 << (SBX_PART_GROUP_BITS + SBX_PART_SHIFT_BITS), "they share a word");
_Static_assert(MAX_LAYERS_AT_ONCE <= MAX_LAYERS_OF_PART, "a stack of all layers");
_Static_assert(SBX_PARTITION_MAX_LAYERS <= MAX_FIRST_LAYER, "all stacks");

static uint32_t tiles(uint32_t pixels, uint32_t shift) {
	return (pixels + (1u << shift) - 1) >> shift;
}

static uint32_t first_group(const struct sbx_packed_part *part) {
	return part->groups & MAX_GROUPS;
}

/** The shape with the fewest tiles, the usual one if it is among them. */
static uint32_t choose_shift(uint32_t width, uint32_t height, uint32_t *n_groups) {
	uint32_t best = USUAL_SHIFT;
	*n_groups = tiles(width, best) * tiles(height, SBX_TILE_SHIFT - best);
	if (width >= 128 && height >= 32) {
		return best;
	}
	for (uint32_t shift = MIN_SHIFT; shift <= MAX_SHIFT; shift++) {
		uint32_t n = tiles(width, shift) * tiles(height, SBX_TILE_SHIFT - shift);
		if (n < *n_groups) {
			best = shift;
			*n_groups = n;
		}
	}
	return best;
}

static struct sbx_packed_part pack_part(const struct sbx_partition *partition,
		const struct sbx_part *part, bool dither, uint32_t *n_groups) {
	uint32_t width = (uint32_t)(part->x2 - part->x1), height = (uint32_t)(part->y2 - part->y1);
	uint32_t added = 0, first = *n_groups;
	uint32_t shift = choose_shift(width, height, &added);
	uint32_t layers = part->n_layers == 1 ? partition->layers[part->first_layer] :
		part->first_layer;
	*n_groups += added;
	return (struct sbx_packed_part){
		.x = (uint16_t)part->x1,
		.y = (uint16_t)part->y1,
		.width = (uint16_t)width,
		.height = (uint16_t)height,
		.layers = layers | part->n_layers << SBX_PART_LAYER_BITS,
		.groups = first | shift << SBX_PART_GROUP_BITS |
			(part->over_target ? SBX_PART_OVER_TARGET : 0u) |
			(dither ? SBX_PART_DITHER : 0u),
	};
}

static int partition_rest(struct sbx_frame *frame, struct sbx_plan *plan, size_t limit) {
	size_t n = frame->n_layers - plan->first_layer;
	n = n < limit ? n : limit;
	for (size_t i = 0; i < n; i++) {
		const struct sbx_layer *layer = &frame->layers[plan->first_layer + i];
		const struct sbx_record *record = &frame->records[plan->first_layer + i];
		frame->ops[i] = (struct sbx_partition_op){
			.boxes = &frame->boxes[layer->first_box],
			.n_boxes = layer->n_boxes,
			.opaque = record->flags & SBX_RECORD_REPLACE,
		};
	}
	int64_t covered = sbx_partition_build(&frame->composer->partition, frame->ops, n);
	if (covered < 0) {
		return (int)covered;
	}
	plan->n_layers = (size_t)covered;
	return 0;
}

/**
 * Drawn as it is, but for its colours: nothing but a colour (`what`: SBX_RECORD_RECT), or a texture
 * (SBX_RECORD_PLAIN).
 */
static bool is_simple(const struct sbx_record *record, uint32_t what) {
	return (record->flags & (SBX_RECORD_RECT | SBX_RECORD_PLAIN | SBX_RECORD_SWAP | SBX_RECORD_NEAREST |
		SBX_RECORD_YCBCR)) == what;
}

/** Whether it can be a layer of what SBX_PIPELINE_STACK draws. */
static bool is_stackable(const struct sbx_frame *frame, size_t index, bool lowest) {
	const struct sbx_record *record = &frame->records[index];
	if (is_simple(record, SBX_RECORD_RECT)) {
		return lowest;
	}
	// Negative numbers have to stay, where a stack is cut at 0.
	return is_simple(record, SBX_RECORD_PLAIN) && !frame->layers[index].texture->format->is_float;
}

/** The most special pipeline that can draw `part`. Software devices lack some. */
static enum sbx_pipeline_kind choose_kind(const struct sbx_frame *frame, const struct sbx_plan *plan,
		const struct sbx_part *part) {
	const uint32_t *layers = &frame->composer->partition.layers[part->first_layer];
	bool stack = !frame->target->format->is_float && part->n_layers > 1;
	bool simple = true, ycbcr = false, color = frame->grade != NULL;
	for (uint32_t i = 0; i < part->n_layers; i++) {
		size_t index = plan->first_layer + layers[i];
		const struct sbx_record *record = &frame->records[index];
		ycbcr = ycbcr || (record->flags & SBX_RECORD_YCBCR);
		color = color || (record->flags & (SBX_RECORD_CONVERT | SBX_RECORD_DEEP));
		simple = simple && (is_simple(record, SBX_RECORD_RECT) ||
			is_simple(record, SBX_RECORD_PLAIN));
		stack = stack && simple && is_stackable(frame, index, i == 0);
	}
	if (color) {
		bool table = frame->grade != NULL && frame->grade->table != NULL;
		if ((table && part->over_target) ||
				frame->composer->pipelines.handles[SBX_PIPELINE_COLOR_FULL] == VK_NULL_HANDLE) {
			return SBX_PIPELINE_COLOR;
		}
		if (!simple || table) {
			return SBX_PIPELINE_COLOR_FULL;
		}
		return part->n_layers == 1 && !part->over_target ? SBX_PIPELINE_COLOR_SINGLE :
			SBX_PIPELINE_COLOR_PLAIN;
	}
	if (!simple) {
		return ycbcr ? SBX_PIPELINE_YCBCR : SBX_PIPELINE_FULL;
	}
	if (frame->composer->pipelines.handles[SBX_PIPELINE_STACK] == VK_NULL_HANDLE) {
		return SBX_PIPELINE_PLAIN;
	}
	if (part->n_layers == 1 && !part->over_target) {
		return SBX_PIPELINE_SINGLE;
	}
	return stack ? SBX_PIPELINE_STACK : SBX_PIPELINE_PLAIN;
}

static bool has_any(const uint32_t n_parts[static SBX_PIPELINE_KINDS], enum sbx_pipeline_kind first,
		enum sbx_pipeline_kind last) {
	for (int kind = (int)first; kind <= (int)last; kind++) {
		if (n_parts[kind] > 0) {
			return true;
		}
	}
	return false;
}

/**
 * Every pipeline can draw what those before it can, but those for colours only what their namesakes can: few
 * dispatches are better than special ones.
 */
static void choose_pipelines(struct sbx_plan *plan, const uint32_t n_parts[static SBX_PIPELINE_KINDS]) {
	int last = 0;
	for (int kind = 0; kind < SBX_PIPELINE_KINDS; kind++) {
		last = n_parts[kind] > 0 ? kind : last;
	}
	if (last == SBX_PIPELINE_COLOR_SINGLE && has_any(n_parts, SBX_PIPELINE_STACK, SBX_PIPELINE_PLAIN)) {
		last = SBX_PIPELINE_COLOR_PLAIN;
	}
	if ((last == SBX_PIPELINE_COLOR_SINGLE || last == SBX_PIPELINE_COLOR_PLAIN) &&
			has_any(n_parts, SBX_PIPELINE_FULL, SBX_PIPELINE_YCBCR)) {
		last = SBX_PIPELINE_COLOR_FULL;
	}
	for (int kind = 0; kind < SBX_PIPELINE_KINDS; kind++) {
		bool single = kind == SBX_PIPELINE_SINGLE || kind == SBX_PIPELINE_COLOR_SINGLE;
		bool apart = single && plan->pixels[kind] >= MIN_SINGLE_PIXELS;
		plan->pipelines[kind] = (enum sbx_pipeline_kind)(apart ? kind : last);
		plan->dispatches[plan->pipelines[kind]].n_parts += n_parts[kind];
	}
}

static void plan_part(struct sbx_frame *frame, struct sbx_plan *plan, size_t index,
		uint32_t n_parts[static SBX_PIPELINE_KINDS]) {
	const struct sbx_part *part = &frame->composer->partition.parts[index];
	struct sbx_layer *layer = sbx_copy_layer(frame, plan, part);
	enum sbx_pipeline_kind kind = SBX_PIPELINE_KINDS;
	if (layer != NULL) {
		sbx_copy_count(layer, part);
		plan->n_copied++;
		plan->n_filled += layer->texture == NULL;
	} else {
		kind = choose_kind(frame, plan, part);
		n_parts[kind]++;
		plan->pixels[kind] += (uint64_t)(part->x2 - part->x1) * (uint64_t)(part->y2 - part->y1);
	}
	frame->composer->kinds[index] = (uint8_t)kind;
}

/** Note which layers can be seen, which parts are copied, and what draws the others. */
static int plan_parts(struct sbx_frame *frame, struct sbx_plan *plan) {
	struct sbx_composer *composer = frame->composer;
	const struct sbx_partition *partition = &composer->partition;
	if (!sbx_array_grow(&composer->kinds, &composer->kinds_capacity, partition->n_parts,
			sizeof(composer->kinds[0]))) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < partition->n_layers; i++) {
		frame->layers[plan->first_layer + partition->layers[i]].visible = true;
	}
	uint32_t n_parts[SBX_PIPELINE_KINDS] = {0};
	for (size_t i = 0; i < partition->n_parts; i++) {
		plan_part(frame, plan, i, n_parts);
	}
	plan->n_dispatched = (uint32_t)partition->n_parts - plan->n_copied;
	choose_pipelines(plan, n_parts);
	return 0;
}

/** Where the next extra will be, in quads from the first record of all. */
static uint32_t next_extra(const struct sbx_frame *frame, const struct sbx_plan *plan) {
	return (uint32_t)(plan->n_layers * SBX_RECORD_QUADS + frame->composer->n_extras);
}

/** `size` bytes of whole quads for the shader. 0 or -ENOMEM. */
static int add_extra(struct sbx_composer *composer, const void *data, size_t size) {
	size_t n = size / sizeof(struct sbx_quad);
	if (!sbx_array_grow(&composer->extras, &composer->extras_capacity, composer->n_extras + n,
			sizeof(composer->extras[0]))) {
		return -ENOMEM;
	}
	memcpy(&composer->extras[composer->n_extras], data, size);
	composer->n_extras += n;
	return 0;
}

/** The planes' slots, and what the shader needs besides the record. */
static int use_planes(struct sbx_frame *frame, size_t index) {
	struct sbx_composer *composer = frame->composer;
	struct sbx_record *record = &frame->records[index];
	struct sbx_image *texture = frame->layers[index].texture;
	for (uint32_t i = 0; i < texture->n_planes; i++) {
		int ret = sbx_descriptors_add_texture(&composer->descriptors, texture->planes[i]);
		if (ret < 0) {
			return ret;
		}
	}
	struct sbx_ycbcr_record extra;
	sbx_ycbcr_record_init(&extra, texture, &frame->layers[index].coding);
	record->slot = (uint32_t)texture->planes[0]->sample_slot;
	return add_extra(composer, &extra, sizeof(extra));
}

static int use_layer(struct sbx_frame *frame, const struct sbx_plan *plan, size_t index) {
	struct sbx_record *record = &frame->records[index];
	struct sbx_image *texture = frame->layers[index].texture;
	if (texture == NULL) {
		return 0;
	}
	if (record->flags & (SBX_RECORD_YCBCR | SBX_RECORD_MATRIX)) {
		record->extra = next_extra(frame, plan);
	}
	int ret = texture->n_planes > 0 ? use_planes(frame, index) :
		sbx_descriptors_add_texture(&frame->composer->descriptors, texture);
	if (ret == 0 && (record->flags & SBX_RECORD_MATRIX)) {
		float rows[3][4];
		sbx_matrix_rows(&frame->layers[index].matrix, rows);
		ret = add_extra(frame->composer, rows, sizeof(rows));
	}
	if (ret < 0) {
		return ret;
	}
	if (texture->n_planes == 0) {
		record->slot = (uint32_t)texture->sample_slot;
	}
	return sbx_batch_use_texture(frame->batch, texture);
}

/** *place: where the grade is, in quads from the first record of all; 0: there is none. */
static int use_grade(struct sbx_frame *frame, const struct sbx_plan *plan, uint32_t *place) {
	struct sbx_grade *grade = frame->grade;
	struct sbx_grade_record record;
	int ret = 0;
	*place = 0;
	if (grade == NULL) {
		return 0;
	}
	if (grade->table != NULL) {
		ret = sbx_descriptors_add_texture(&frame->composer->descriptors, grade->table);
	}
	if (ret == 0 && grade->table != NULL) {
		ret = sbx_batch_use_texture(frame->batch, grade->table);
	}
	if (ret < 0) {
		return ret;
	}
	*place = next_extra(frame, plan);
	sbx_grade_record_init(&record, grade);
	return add_extra(frame->composer, &record, sizeof(record));
}

static int use_visible_layers(struct sbx_frame *frame, const struct sbx_plan *plan) {
	frame->composer->n_extras = 0;
	for (size_t i = 0; i < plan->n_layers; i++) {
		size_t index = plan->first_layer + i;
		int ret = frame->layers[index].visible ? use_layer(frame, plan, index) : 0;
		if (ret < 0) {
			return ret;
		}
	}
	return 0;
}

/** Pack the parts that are not copied, one pipeline's after another's. 0, -ENOMEM or -EOVERFLOW. */
static int pack_parts(struct sbx_frame *frame, struct sbx_plan *plan) {
	struct sbx_composer *composer = frame->composer;
	const struct sbx_partition *partition = &composer->partition;
	struct sbx_packed_part *next[SBX_PIPELINE_KINDS];
	uint32_t first = 0;
	if (!sbx_array_grow(&composer->packed, &composer->packed_capacity, plan->n_dispatched,
			sizeof(composer->packed[0]))) {
		return -ENOMEM;
	}
	for (int kind = 0; kind < SBX_PIPELINE_KINDS; kind++) {
		plan->dispatches[kind].first_part = first;
		next[kind] = &composer->packed[first];
		first += plan->dispatches[kind].n_parts;
	}
	for (size_t i = 0; i < partition->n_parts; i++) {
		if (composer->kinds[i] < SBX_PIPELINE_KINDS) {
			int kind = plan->pipelines[composer->kinds[i]];
			const struct sbx_part *part = &partition->parts[i];
			bool dither = frame->steps[0] > 0 && composer->kinds[i] >= SBX_PIPELINE_COLOR_SINGLE;
			*next[kind]++ = pack_part(partition, part, dither,
				&plan->dispatches[kind].n_groups);
		}
	}
	for (int kind = 0; kind < SBX_PIPELINE_KINDS; kind++) {
		if (plan->dispatches[kind].n_groups > MAX_GROUPS) {
			return -EOVERFLOW;
		}
	}
	return 0;
}

/** How many words write_chunks() writes for a dispatch. */
static uint32_t chunk_words(uint32_t n_groups) {
	return tiles(n_groups, SBX_CHUNK_SHIFT) + 1;
}

/** For each 2^SBX_CHUNK_SHIFT-th workgroup the part it belongs to, and the last part as the end of the last search. */
static void write_chunks(const struct sbx_packed_part *parts, uint32_t n_parts, uint32_t n_groups,
		uint32_t *chunks) {
	uint32_t n_chunks = tiles(n_groups, SBX_CHUNK_SHIFT), chunk = 0;
	for (uint32_t i = 0; i < n_parts; i++) {
		uint32_t end = i + 1 < n_parts ? first_group(&parts[i + 1]) : n_groups;
		for (; chunk < n_chunks && chunk << SBX_CHUNK_SHIFT < end; chunk++) {
			chunks[chunk] = i;
		}
	}
	chunks[n_chunks] = n_parts - 1;
}

/**
 * Write the chunks of each dispatch to `chunks` and fill in what its shader must know. `start` has the
 * places that are the same for all, and where the first chunk is.
 */
static void write_pushes(const struct sbx_frame *frame, const struct sbx_plan *plan,
		struct sbx_push start, uint32_t *chunks,
		struct sbx_push pushes[static SBX_PIPELINE_KINDS]) {
	for (int kind = 0; kind < SBX_PIPELINE_KINDS; kind++) {
		uint32_t first = plan->dispatches[kind].first_part;
		uint32_t n_parts = plan->dispatches[kind].n_parts;
		uint32_t n_groups = plan->dispatches[kind].n_groups;
		if (n_parts == 0) {
			continue;
		}
		write_chunks(&frame->composer->packed[first], n_parts, n_groups, chunks);
		pushes[kind] = start;
		pushes[kind].first_part += first;
		pushes[kind].n_groups = n_groups;
		pushes[kind].n_parts = n_parts;
		chunks += chunk_words(n_groups);
		start.first_chunk += chunk_words(n_groups);
	}
}

/** Bring everything the shader reads to where it reads it; fills in what each dispatch must know. */
static int upload(struct sbx_frame *frame, const struct sbx_plan *plan,
		struct sbx_push pushes[static SBX_PIPELINE_KINDS], VkDescriptorSet *set) {
	struct sbx_composer *composer = frame->composer;
	const struct sbx_partition *partition = &composer->partition;
	size_t parts_size = plan->n_dispatched * sizeof(struct sbx_packed_part);
	size_t records_size = plan->n_layers * sizeof(struct sbx_record);
	size_t extras_size = composer->n_extras * sizeof(struct sbx_quad);
	size_t layers_size = partition->n_layers * sizeof(partition->layers[0]);
	size_t chunks_size = 0;
	for (int kind = 0; kind < SBX_PIPELINE_KINDS; kind++) {
		chunks_size += chunk_words(plan->dispatches[kind].n_groups) * sizeof(uint32_t);
	}
	struct sbx_framedata_slice slice;
	int ret = sbx_framedata_allocate(&composer->data,
		parts_size + records_size + extras_size + layers_size + chunks_size, &slice);
	if (ret < 0) {
		return ret;
	}
	char *records = (char *)slice.data + parts_size, *extras = records + records_size;
	char *layers = extras + extras_size;
	memcpy(slice.data, composer->packed, parts_size);
	memcpy(records, &frame->records[plan->first_layer], records_size);
	if (extras_size > 0) {
		memcpy(extras, composer->extras, extras_size);
	}
	memcpy(layers, partition->layers, layers_size);
	struct sbx_push start = {
		.first_part = slice.offset / 16,
		.first_record = slice.offset / 16 + (uint32_t)(parts_size / 16),
		.first_layer = (slice.offset + (uint32_t)(parts_size + records_size + extras_size)) / 4,
		.limit = frame->target->format->is_float || frame->grade != NULL ? INFINITY : 1,
		.grade = plan->grade,
		.steps = { frame->steps[0], frame->steps[1], frame->steps[2] },
	};
	start.first_chunk = start.first_layer + (uint32_t)(layers_size / 4);
	write_pushes(frame, plan, start, (uint32_t *)(void *)(layers + layers_size), pushes);
	*set = slice.set;
	return 0;
}

static void bind_sets(struct sbx_frame *frame, VkDescriptorSet data) {
	struct sbx_composer *composer = frame->composer;
	const VkDescriptorSet sets[] = {
		[SBX_SET_TEXTURES] = composer->descriptors.textures,
		[SBX_SET_DATA] = data,
		[SBX_SET_TARGET] = composer->descriptors.targets[frame->target->store_slot],
	};
	composer->device->vk.vkCmdBindDescriptorSets(sbx_batch_commands(frame->batch),
		VK_PIPELINE_BIND_POINT_COMPUTE, composer->pipelines.layout, 0,
		sizeof(sets) / sizeof(sets[0]), sets, 0, NULL);
}

static void dispatch(struct sbx_frame *frame, enum sbx_pipeline_kind kind,
		const struct sbx_push *push) {
	struct sbx_composer *composer = frame->composer;
	const struct VolkDeviceTable *vk = &composer->device->vk;
	VkCommandBuffer commands = sbx_batch_commands(frame->batch);
	uint32_t x = push->n_groups < MAX_GROUPS_X ? push->n_groups : MAX_GROUPS_X;
	vk->vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE,
		composer->pipelines.handles[kind]);
	vk->vkCmdPushConstants(commands, composer->pipelines.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
		sizeof(*push), push);
	vk->vkCmdDispatch(commands, x, (push->n_groups + x - 1) / x, 1);
}

/**
 * One dispatch for each pipeline. Parts do not overlap, but Vulkan's synchronization validation goes by
 * images: a barrier stands between them.
 */
static void record_dispatches(struct sbx_frame *frame, const struct sbx_plan *plan,
		const struct sbx_push pushes[static SBX_PIPELINE_KINDS], VkDescriptorSet data) {
	bool first = true;
	bind_sets(frame, data);
	for (int kind = 0; kind < SBX_PIPELINE_KINDS; kind++) {
		if (plan->dispatches[kind].n_parts == 0) {
			continue;
		}
		if (!first) {
			sbx_batch_order(frame->batch);
		}
		dispatch(frame, (enum sbx_pipeline_kind)kind, &pushes[kind]);
		first = false;
	}
}

static int draw_parts(struct sbx_frame *frame, struct sbx_plan *plan) {
	struct sbx_push pushes[SBX_PIPELINE_KINDS];
	VkDescriptorSet data;
	if (plan->n_dispatched == 0) {
		return 0;
	}
	int ret = pack_parts(frame, plan);
	if (ret == 0) {
		ret = upload(frame, plan, pushes, &data);
	}
	if (ret == 0) {
		record_dispatches(frame, plan, pushes, data);
	}
	return ret;
}

static int record_plan(struct sbx_frame *frame, struct sbx_plan *plan) {
	int ret = plan_parts(frame, plan);
	if (ret == 0) {
		ret = use_visible_layers(frame, plan);
	}
	if (ret == 0) {
		ret = use_grade(frame, plan, &plan->grade);
	}
	if (ret < 0) {
		return ret;
	}
	sbx_batch_flush_barriers(frame->batch);
	if (plan->first_layer > 0) {
		sbx_batch_order(frame->batch);
	}
	ret = sbx_copy_record(frame, plan);
	if (ret == 0) {
		ret = draw_parts(frame, plan);
	}
	sbx_count(SBX_COUNT_PARTS, (int64_t)frame->composer->partition.n_parts);
	return ret;
}

int sbx_frame_record(struct sbx_frame *frame) {
	size_t done = 0, limit = MAX_LAYERS_AT_ONCE;
	if (frame->n_layers == 0) {
		return 0;
	}
	int ret = sbx_batch_use_target(frame->batch, frame->target);
	while (ret == 0 && done < frame->n_layers) {
		struct sbx_plan plan = { .first_layer = done };
		ret = partition_rest(frame, &plan, limit);
		if (ret == 0) {
			ret = record_plan(frame, &plan);
		}
		sbx_count(SBX_COUNT_SPLIT_FRAMES, done == 0 && plan.n_layers < frame->n_layers);
		done += plan.n_layers;
		// What was too tangled is hardly less so further up: do not begin with all of it again.
		limit = 2 * plan.n_layers < limit ? 2 * plan.n_layers : limit;
	}
	return ret;
}
