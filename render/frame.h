/**
 * Inside the composer: what its files share. Users see compose.h.
 *
 * compose.c collects a frame's layers; record.c partitions them and records dispatches; copy.c takes
 * the parts that a software device had better copy; descriptors.c, pipeline.c and framedata.c own the
 * Vulkan objects; grade.c an output's colour transform.
 */
#ifndef SBX_RENDER_FRAME_H
#define SBX_RENDER_FRAME_H

#include "render/compose.h"
#include "render/descriptors.h"
#include "render/framedata.h"
#include "render/grade.h"
#include "render/partition.h"
#include "render/pipeline.h"
#include "render/shaders/layout.h"

struct sbx_batch;

/** A layer as shaders/compose.comp reads it: three 16-byte quads. */
struct sbx_record {
	/** SBX_RECORD_PLAIN: from the target's pixel to the texel. Otherwise minus the map's origin. */
	int32_t offset[2];
	/** Which texture. */
	uint32_t slot;
	/** enum sbx_record_flags */
	uint32_t flags;
	union {
		float color[4];
		struct {
			/** The last texel of each row and column. */
			uint32_t last_x, last_y;
			float alpha;
			/**
			 * SBX_RECORD_YCBCR, SBX_RECORD_MATRIX: where the rest is, in quads from the first record
			 * of all: a struct sbx_ycbcr_record, then three rows.
			 */
			uint32_t extra;
		};
	};
	/**
	 * Where the texture is sampled, in texels: scale x, scale y, offset x, offset y, applied to the
	 * pixel's centre relative to the origin, its axes swapped first if SBX_RECORD_SWAP is set.
	 */
	float map[4];
};
_Static_assert(sizeof(struct sbx_record) == 16 * SBX_RECORD_QUADS, "as the shader has it");

/** What the shader reads besides records is a list of these. */
struct sbx_quad {
	uint32_t words[4];
};

/** What shaders/ycbcr.glsl needs besides the record: five quads. */
struct sbx_ycbcr_record {
	/** The second and the third plane's slots; the first's is that of the record. */
	uint32_t slots[2];
	/** 8 bits: how many planes; 8 bits: log2 of how many pixels a chroma texel is wide; 8 bits: high. */
	uint32_t planes;
	/** The last texel of the chroma planes: 16 bits of x, 16 of y. */
	uint32_t last;
	/** Where chroma lies (sbx_ycbcr_chroma_offset()). */
	float offset[2];
	float alpha_scale, unused;
	/** sbx_ycbcr_matrix() */
	float rows[3][4];
};
_Static_assert(sizeof(struct sbx_ycbcr_record) == 80, "as the shader has it");

/** A frame's grade as the shader reads it: seven quads. */
struct sbx_grade_record {
	/** enum sbx_curve; SBX_CURVE_COUNT: a table. With enum sbx_grade_flags. */
	uint32_t curve;
	/** The table's slot; enum sbx_curve of its axes. */
	uint32_t table, axis;
	float axis_scale;
	/** Before the curve, and after its inverse. */
	float rows[3][4], inverse_rows[3][4];
};
_Static_assert(sizeof(struct sbx_grade_record) == 112, "as the shader has it");

/** A part as the shader reads it. */
struct sbx_packed_part {
	uint16_t x, y, width, height;
	/** Where its list of layers begins, or its only layer, and how many there are: enum sbx_part_bits. */
	uint32_t layers;
	/**
	 * Its first workgroup, the shift of its tiles, whether it lies over the target, whether it is dithered:
	 * enum sbx_part_bits.
	 */
	uint32_t groups;
};
_Static_assert(sizeof(struct sbx_packed_part) == 16, "one quad");

/** The grade as the shader reads it; its table must have its slot. */
void sbx_grade_record_init(struct sbx_grade_record *record, const struct sbx_grade *grade);
/** The rows of a matrix, each a quad. */
void sbx_matrix_rows(const struct sbx_matrix *matrix, float rows[3][4]);

/** Fill in the record of a texture layer, all but the slot. False: nothing of it can be seen. */
bool sbx_record_from_texture(struct sbx_record *record, const struct sbx_texture_op *op);
/** The rest for a YCbCr texture whose planes have their slots. */
void sbx_ycbcr_record_init(struct sbx_ycbcr_record *record, const struct sbx_image *texture,
	const struct sbx_coding *coding);
/** The same for a rectangle. */
bool sbx_record_from_rect(struct sbx_record *record, const struct sbx_rect_op *op);

/** A layer as the CPU needs it. */
struct sbx_layer {
	/** NULL: a rectangle. */
	struct sbx_image *texture;
	struct sbx_coding coding;
	/** SBX_RECORD_MATRIX */
	struct sbx_matrix matrix;
	/** Into frame->boxes. */
	size_t first_box;
	int n_boxes;
	/** Part of the stack of some part. */
	bool visible;
	/** A part that shows nothing else can be copied, or filled. */
	bool copyable;
	/** How many such parts there are, and where their regions begin. */
	uint32_t n_copies, first_copy;
	/** A rectangle: the pixels of its largest such part; then where its colour was written. */
	uint32_t fill_pixels, fill_offset;
	VkBuffer fill_buffer;
};

struct sbx_frame {
	struct sbx_composer *composer;
	struct sbx_image *target;
	/** NULL: no frame is open. */
	struct sbx_batch *batch;
	/** The first failure, kept for sbx_frame_submit(). */
	int error;
	/** NULL: blending is electrical. */
	struct sbx_grade *grade;
	/** A step of the target, red, green and blue; 0: nothing is dithered. */
	float steps[3];

	/** The same layer three times: for the shader, for us, for the partition. */
	struct sbx_record *records;
	struct sbx_layer *layers;
	struct sbx_partition_op *ops;
	size_t n_layers, records_capacity, layers_capacity, ops_capacity;
	pixman_box32_t *boxes;
	size_t n_boxes, boxes_capacity;
};

struct sbx_composer {
	struct sbx_device *device;
	struct sbx_descriptors descriptors;
	struct sbx_pipelines pipelines;
	struct sbx_framedata data;
	struct sbx_partition partition;
	/** The parts that are not copied, those of one pipeline after those of another. */
	struct sbx_packed_part *packed;
	/** enum sbx_pipeline_kind of each part of the partition; SBX_PIPELINE_KINDS: it is copied. */
	uint8_t *kinds;
	size_t packed_capacity, kinds_capacity;
	/** Regions of vkCmdCopyImage, sorted by layer. */
	VkImageCopy *copies;
	size_t copies_capacity;
	/** What the visible layers have besides their records, and the grade. */
	struct sbx_quad *extras;
	size_t n_extras, extras_capacity;
	struct sbx_frame frame;
};

/** What of a partition goes where: counted once, before anything is recorded. */
struct sbx_plan {
	/** Layers first .. first + n of the frame are covered by the partition. */
	size_t first_layer, n_layers;
	/** Parts; n_filled of the n_copied show a colour. */
	uint32_t n_copied, n_filled, n_dispatched;
	/** How many pixels the parts of each kind have. */
	uint64_t pixels[SBX_PIPELINE_KINDS];
	/** Which pipeline draws the parts of each kind. */
	enum sbx_pipeline_kind pipelines[SBX_PIPELINE_KINDS];
	/** Where the grade is, in quads from the first record; 0: there is none. */
	uint32_t grade;
	/** A dispatch for each pipeline: its parts among the packed ones, its workgroups. */
	struct {
		uint32_t first_part, n_parts, n_groups;
	} dispatches[SBX_PIPELINE_KINDS];
};

/**
 * Draw once with each pipeline for RGB. Software devices compile a pipeline when it is first used, in some
 * 0.1 s, in an emulated machine in seconds: at start-up nobody waits for a frame yet.
 */
int sbx_composer_warm_up(struct sbx_composer *composer);

/** Partition, upload and record all of the frame into its batch. 0 or a negative errno. */
int sbx_frame_record(struct sbx_frame *frame);

/** Whether parts that show only this layer can be copied (or filled) instead of drawn. */
bool sbx_copy_is_possible(const struct sbx_frame *frame, const struct sbx_record *record,
	const struct sbx_image *texture);
/** The layer that `part` is a copy of, or NULL. */
struct sbx_layer *sbx_copy_layer(struct sbx_frame *frame, const struct sbx_plan *plan,
	const struct sbx_part *part);
/** Note that `part` is a copy of `layer`. */
void sbx_copy_count(struct sbx_layer *layer, const struct sbx_part *part);
/** Whether parts of this colour can be filled by copies from memory. */
bool sbx_fill_is_possible(const struct sbx_frame *frame);
/** Record the fills. 0 or a negative errno. */
int sbx_fill_record(struct sbx_frame *frame, const struct sbx_plan *plan);
/**
 * Record the copies of all parts that can be copied, one command for each texture, the fills, and a
 * barrier for the dispatch after them. 0 or a negative errno.
 */
int sbx_copy_record(struct sbx_frame *frame, const struct sbx_plan *plan);

#endif
