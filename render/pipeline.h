/**
 * The composer's pipelines: few, specialised by constants, made at start-up.
 *
 * Drivers' compiled code is kept in $XDG_CACHE_HOME/signalbox (~/.cache/signalbox) between runs; that
 * it cannot be read or written is no failure.
 */
#ifndef SBX_RENDER_PIPELINE_H
#define SBX_RENDER_PIPELINE_H

#include <stdint.h>
#include <volk.h>

struct sbx_descriptors;
struct sbx_device;

/**
 * What a pipeline is specialised for: what all parts that it draws have in common. Each can draw what those
 * before it can, as far as they turn up in one frame.
 */
enum sbx_pipeline_kind {
	/**
	 * Each shows one layer, drawn pixel by pixel as it is, and nothing of the target's content. Not
	 * made for software devices, which take long to compile.
	 */
	SBX_PIPELINE_SINGLE,
	/**
	 * Each is that, or a stack of textures drawn so, perhaps above one rectangle; the target holds
	 * integers. Not made for software devices.
	 */
	SBX_PIPELINE_STACK,
	/** Every texture layer is drawn pixel by pixel as it is. */
	SBX_PIPELINE_PLAIN,
	/** Some are scaled, turned, or reach over the texture's edge. */
	SBX_PIPELINE_FULL,
	/** The same, and some are YCbCr. */
	SBX_PIPELINE_YCBCR,
	/** The same as SBX_PIPELINE_SINGLE, with colours converted and dithered as need be, but for tables. */
	SBX_PIPELINE_COLOR_SINGLE,
	/**
	 * The same as SBX_PIPELINE_PLAIN, with colours converted and dithered as need be; what the target holds has
	 * not come out of a table. Not made for software devices.
	 */
	SBX_PIPELINE_COLOR_PLAIN,
	/** As SBX_PIPELINE_YCBCR, in the same way. Not made for software devices. */
	SBX_PIPELINE_COLOR_FULL,
	/** Everything. */
	SBX_PIPELINE_COLOR,
	SBX_PIPELINE_KINDS,
};

struct sbx_pipelines {
	struct sbx_device *device;
	VkPipelineLayout layout;
	VkPipelineCache cache;
	VkPipeline handles[SBX_PIPELINE_KINDS];
};

/** 0 or a negative errno; sbx_pipelines_finish() is to be called either way. */
int sbx_pipelines_init(struct sbx_pipelines *pipelines, struct sbx_device *device,
	const struct sbx_descriptors *descriptors);
void sbx_pipelines_finish(struct sbx_pipelines *pipelines);

#endif
