#include <drm_fourcc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness/buffers.h"
#include "harness/vulkan.h"
#include "pixel.h"
#include "render/format.h"
#include "render/format_cache.h"
#include "render/image.h"

#define SECOND 1000000000ull

/*
 * The formats as drm_fourcc.h describes them: channels of a little-endian word from the highest bits,
 * written by hand from there and not from our own table. F: floats.
 */
struct layout {
	uint32_t drm;
	const char *channels;
	unsigned bits[4];
	bool is_float;
};

static const struct layout layouts[] = {
	{ DRM_FORMAT_ARGB8888, "ARGB", { 8, 8, 8, 8 } },
	{ DRM_FORMAT_XRGB8888, "XRGB", { 8, 8, 8, 8 } },
	{ DRM_FORMAT_ABGR8888, "ABGR", { 8, 8, 8, 8 } },
	{ DRM_FORMAT_XBGR8888, "XBGR", { 8, 8, 8, 8 } },
	{ DRM_FORMAT_RGBA8888, "RGBA", { 8, 8, 8, 8 } },
	{ DRM_FORMAT_RGBX8888, "RGBX", { 8, 8, 8, 8 } },
	{ DRM_FORMAT_BGRA8888, "BGRA", { 8, 8, 8, 8 } },
	{ DRM_FORMAT_BGRX8888, "BGRX", { 8, 8, 8, 8 } },
	{ DRM_FORMAT_R8, "R", { 8 } },
	{ DRM_FORMAT_GR88, "GR", { 8, 8 } },
	{ DRM_FORMAT_R16, "R", { 16 } },
	{ DRM_FORMAT_GR1616, "GR", { 16, 16 } },
	{ DRM_FORMAT_RGB888, "RGB", { 8, 8, 8 } },
	{ DRM_FORMAT_BGR888, "BGR", { 8, 8, 8 } },
	{ DRM_FORMAT_RGB565, "RGB", { 5, 6, 5 } },
	{ DRM_FORMAT_BGR565, "BGR", { 5, 6, 5 } },
	{ DRM_FORMAT_ARGB4444, "ARGB", { 4, 4, 4, 4 } },
	{ DRM_FORMAT_XRGB4444, "XRGB", { 4, 4, 4, 4 } },
	{ DRM_FORMAT_ABGR4444, "ABGR", { 4, 4, 4, 4 } },
	{ DRM_FORMAT_XBGR4444, "XBGR", { 4, 4, 4, 4 } },
	{ DRM_FORMAT_RGBA4444, "RGBA", { 4, 4, 4, 4 } },
	{ DRM_FORMAT_RGBX4444, "RGBX", { 4, 4, 4, 4 } },
	{ DRM_FORMAT_BGRA4444, "BGRA", { 4, 4, 4, 4 } },
	{ DRM_FORMAT_BGRX4444, "BGRX", { 4, 4, 4, 4 } },
	{ DRM_FORMAT_ARGB1555, "ARGB", { 1, 5, 5, 5 } },
	{ DRM_FORMAT_XRGB1555, "XRGB", { 1, 5, 5, 5 } },
	{ DRM_FORMAT_RGBA5551, "RGBA", { 5, 5, 5, 1 } },
	{ DRM_FORMAT_RGBX5551, "RGBX", { 5, 5, 5, 1 } },
	{ DRM_FORMAT_BGRA5551, "BGRA", { 5, 5, 5, 1 } },
	{ DRM_FORMAT_BGRX5551, "BGRX", { 5, 5, 5, 1 } },
	{ DRM_FORMAT_ARGB2101010, "ARGB", { 2, 10, 10, 10 } },
	{ DRM_FORMAT_XRGB2101010, "XRGB", { 2, 10, 10, 10 } },
	{ DRM_FORMAT_ABGR2101010, "ABGR", { 2, 10, 10, 10 } },
	{ DRM_FORMAT_XBGR2101010, "XBGR", { 2, 10, 10, 10 } },
	{ DRM_FORMAT_BGR161616, "BGR", { 16, 16, 16 } },
	{ DRM_FORMAT_ABGR16161616, "ABGR", { 16, 16, 16, 16 } },
	{ DRM_FORMAT_XBGR16161616, "XBGR", { 16, 16, 16, 16 } },
	{ DRM_FORMAT_R16F, "R", { 16 }, true },
	{ DRM_FORMAT_GR1616F, "GR", { 16, 16 }, true },
	{ DRM_FORMAT_BGR161616F, "BGR", { 16, 16, 16 }, true },
	{ DRM_FORMAT_ABGR16161616F, "ABGR", { 16, 16, 16, 16 }, true },
	{ DRM_FORMAT_XBGR16161616F, "XBGR", { 16, 16, 16, 16 }, true },
	{ DRM_FORMAT_R32F, "R", { 32 }, true },
	{ DRM_FORMAT_GR3232F, "GR", { 32, 32 }, true },
	{ DRM_FORMAT_BGR323232F, "BGR", { 32, 32, 32 }, true },
	{ DRM_FORMAT_ABGR32323232F, "ABGR", { 32, 32, 32, 32 }, true },
};

#define LAYOUT_COUNT (sizeof(layouts) / sizeof(layouts[0]))

static unsigned total_bits(const struct layout *layout) {
	unsigned bits = 0;
	for (size_t i = 0; layout->channels[i] != '\0'; i++) {
		bits += layout->bits[i];
	}
	return bits;
}

static int channel_index(char channel) {
	const char *found = strchr("RGBA", channel);
	return found != NULL ? found - "RGBA" : -1;
}

static uint64_t encode_float(float value, unsigned bits) {
	uint64_t raw = 0;
	if (bits == 32) {
		memcpy(&raw, &value, sizeof(value));
	} else {
		_Float16 half = value;
		memcpy(&raw, &half, sizeof(half));
	}
	return raw;
}

static uint64_t encode_channel(const struct layout *layout, unsigned bits, float value) {
	if (layout->is_float) {
		return encode_float(value, bits);
	}
	return llroundf(value * (float)((1ull << bits) - 1));
}

/* Sets `bits` bits of the little-endian memory at bit `at`. */
static void put_bits(uint8_t *memory, unsigned at, unsigned bits, uint64_t raw) {
	for (unsigned i = 0; i < bits; i++) {
		uint8_t mask = 1u << ((at + i) % 8);
		if ((raw >> i & 1) != 0) {
			memory[(at + i) / 8] |= mask;
		} else {
			memory[(at + i) / 8] &= ~mask;
		}
	}
}

/* `filler` goes where X is. */
static void encode(const struct layout *layout, const float color[4], float filler,
		uint8_t memory[16]) {
	unsigned at = total_bits(layout);
	memset(memory, 0, 16);
	for (size_t i = 0; layout->channels[i] != '\0'; i++) {
		unsigned bits = layout->bits[i];
		int index = channel_index(layout->channels[i]);
		at -= bits;
		put_bits(memory, at, bits, encode_channel(layout, bits, index < 0 ? filler : color[index]));
	}
}

static bool has_channel(const struct layout *layout, char channel) {
	return strchr(layout->channels, channel) != NULL;
}

static void expect_sampled(const struct layout *layout, const float color[4],
		const float sampled[4]) {
	static const char names[] = "RGBA";
	for (int i = 0; i < 4; i++) {
		float expected = has_channel(layout, names[i]) ? color[i] : i == 3 ? 1.0f : 0.0f;
		unsigned bits = 32;
		for (size_t c = 0; layout->channels[c] != '\0'; c++) {
			bits = layout->channels[c] == names[i] ? layout->bits[c] : bits;
		}
		float allowed = layout->is_float ? 1.0f / 1024 :
			bits < 32 ? 0.51f / ((1u << bits) - 1) : 0.0f;
		if (fabsf(expected - sampled[i]) > allowed) {
			fail_msg("%.4s: %c is %f, expected %f", (const char *)&layout->drm, names[i],
				sampled[i], expected);
		}
	}
}

/* Every channel different, so that no two can be exchanged unnoticed. */
static const float colors[][4] = {
	{ 1.0f, 0.0f, 0.0f, 0.0f }, { 0.0f, 1.0f, 0.0f, 0.0f }, { 0.0f, 0.0f, 1.0f, 0.0f },
	{ 0.0f, 0.0f, 0.0f, 1.0f }, { 0.2f, 0.4f, 0.6f, 1.0f },
};
#define COLOR_COUNT (sizeof(colors) / sizeof(colors[0]))

static void test_table(void **state) {
	size_t count = 0, rgb = 0;
	const struct sbx_format *all = sbx_format_all(&count);
	for (size_t i = 0; i < count; i++) {
		rgb += all[i].ycbcr == NULL;
	}
	assert_int_equal(rgb, LAYOUT_COUNT);
	for (size_t i = 0; i < LAYOUT_COUNT; i++) {
		const struct layout *layout = &layouts[i];
		const struct sbx_format *format = sbx_format_from_drm(layout->drm);
		assert_non_null(format);
		assert_int_equal(format->drm, layout->drm);
		assert_int_equal(format->bytes_per_pixel * 8, total_bits(layout));
		assert_int_equal(format->has_alpha, has_channel(layout, 'A'));
		assert_int_equal(format->is_float, layout->is_float);
	}
	for (size_t i = 0; i < count; i++) {
		// none twice
		assert_ptr_equal(sbx_format_from_drm(all[i].drm), &all[i]);
	}
	assert_null(sbx_format_from_drm(0));
	assert_null(sbx_format_from_drm(DRM_FORMAT_NV15));
}

static void test_needed(void **state) {
	const uint32_t both = SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE;
	const uint32_t needed[] = {
		DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888, DRM_FORMAT_ABGR8888,
		DRM_FORMAT_ABGR16161616F,
	};
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		assert_int_equal(sbx_format_uses(*state, sbx_format_from_drm(needed[i])), both);
	}
	assert_int_equal(sbx_format_uses(*state, sbx_format_from_drm(DRM_FORMAT_RGBX8888)),
		SBX_FORMAT_SAMPLE);
}

/* Known bytes in, colours out. */
static void sample_own(struct pixel_shaders *shaders, struct sbx_device *device,
		const struct layout *layout) {
	const struct sbx_format *format = sbx_format_from_drm(layout->drm);
	struct sbx_image *image = sbx_image_create(device, format, 1, 1, SBX_FORMAT_SAMPLE);
	assert_non_null(image);
	for (size_t i = 0; i < COLOR_COUNT; i++) {
		uint8_t memory[16];
		float sampled[4];
		encode(layout, colors[i], i % 2 == 0 ? 0.0f : 1.0f, memory);
		assert_int_equal(sbx_image_write(image, memory, format->bytes_per_pixel, NULL), 0);
		pixel_sample(shaders, image, sampled);
		expect_sampled(layout, colors[i], sampled);
	}
	sbx_image_destroy(image);
}

static void test_sample(void **state) {
	struct pixel_shaders *shaders = pixel_shaders_create(*state);
	unsigned checked = 0;
	for (size_t i = 0; i < LAYOUT_COUNT; i++) {
		const struct sbx_format *format = sbx_format_from_drm(layouts[i].drm);
		if ((sbx_format_uses(*state, format) & SBX_FORMAT_SAMPLE) != 0) {
			sample_own(shaders, *state, &layouts[i]);
			checked++;
		}
	}
	assert_true(checked >= 30);
	pixel_shaders_destroy(shaders);
}

static PFN_vkGetPhysicalDeviceFormatProperties real_format_properties;

/* A device that has what Vulkan demands and nothing else. */
static VKAPI_ATTR void VKAPI_CALL poor_format_properties(VkPhysicalDevice device, VkFormat format,
		VkFormatProperties *properties) {
	static const VkFormat missing[] = {
		VK_FORMAT_R4G4B4A4_UNORM_PACK16, VK_FORMAT_A4R4G4B4_UNORM_PACK16,
		VK_FORMAT_A4B4G4R4_UNORM_PACK16, VK_FORMAT_B5G6R5_UNORM_PACK16,
		VK_FORMAT_R5G5B5A1_UNORM_PACK16, VK_FORMAT_A2R10G10B10_UNORM_PACK32,
		VK_FORMAT_R8G8B8_UNORM, VK_FORMAT_B8G8R8_UNORM, VK_FORMAT_R16G16B16_UNORM,
		VK_FORMAT_R16G16B16_SFLOAT, VK_FORMAT_R32G32B32_SFLOAT,
	};
	real_format_properties(device, format, properties);
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		if (format == missing[i]) {
			*properties = (VkFormatProperties){0};
		}
	}
}

static void make_poor(struct sbx_device *device) {
	real_format_properties = device->vki.vkGetPhysicalDeviceFormatProperties;
	device->vki.vkGetPhysicalDeviceFormatProperties = poor_format_properties;
	sbx_format_cache_destroy(device);
	assert_int_equal(sbx_format_cache_create(device), 0);
}

/* Every RGB format can be a texture there, through other formats. */
static void test_sample_by_others(void **state) {
	struct sbx_device *device = *state;
	make_poor(device);
	struct pixel_shaders *shaders = pixel_shaders_create(device);
	unsigned others = 0;
	for (size_t i = 0; i < LAYOUT_COUNT; i++) {
		const struct sbx_format *format = sbx_format_from_drm(layouts[i].drm);
		assert_true((sbx_format_uses(device, format) & SBX_FORMAT_SAMPLE) != 0);
		const struct sbx_format *actual = sbx_format_on_device(device, format);
		others += actual->vk != format->vk;
		sample_own(shaders, device, &layouts[i]);
	}
	assert_int_equal(others, 16);
	pixel_shaders_destroy(shaders);
}

/* What an image of widened pixels gives back is what was written, and where. */
static void test_widened(void **state) {
	struct sbx_device *device = *state;
	const struct sbx_format *format = sbx_format_from_drm(DRM_FORMAT_BGR888);
	make_poor(device);
	struct sbx_image *image = sbx_image_create(device, format, 5, 3, SBX_FORMAT_SAMPLE);
	assert_non_null(image);
	assert_int_equal(image->format->texel_bytes, 4);
	uint8_t pixels[3][16], seen[3][16] = {0};
	for (size_t i = 0; i < sizeof(pixels); i++) {
		pixels[i / 16][i % 16] = (uint8_t)i;
	}
	assert_int_equal(sbx_image_write(image, pixels, 16, NULL), 0);
	pixels[1][3 * 2] = 200;
	pixels[2][3 * 4] = 201; // not in the damage
	pixman_region32_t damage;
	pixman_region32_init_rect(&damage, 2, 1, 2, 1);
	assert_int_equal(sbx_image_write(image, pixels, 16, &damage), 0);
	pixman_region32_fini(&damage);
	const pixman_box32_t all = { 0, 0, 5, 3 };
	assert_int_equal(sbx_image_read(image, &all, seen, 16, -1, 10 * SECOND), 0);
	pixels[2][3 * 4] = 2 * 16 + 3 * 4;
	for (int y = 0; y < 3; y++) {
		assert_memory_equal(seen[y], pixels[y], 15);
	}
	sbx_image_destroy(image);
}

/* Colours in, bytes out. */
static void store_own(struct pixel_shaders *shaders, struct sbx_device *device,
		const struct layout *layout) {
	const struct sbx_format *format = sbx_format_from_drm(layout->drm);
	struct sbx_image *image = sbx_image_create(device, format, 1, 1,
		SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE);
	const pixman_box32_t box = { 0, 0, 1, 1 };
	assert_non_null(image);
	for (size_t i = 0; i < COLOR_COUNT; i++) {
		uint8_t expected[16], seen[16] = {0};
		// X takes what alpha was
		encode(layout, colors[i], colors[i][3], expected);
		pixel_store(shaders, image, colors[i]);
		assert_int_equal(sbx_image_read(image, &box, seen, 16, -1, 10 * SECOND), 0);
		float stored[4];
		pixel_sample(shaders, image, stored);
		if (memcmp(seen, expected, format->bytes_per_pixel) != 0 && !layout->is_float) {
			fail_msg("%.4s: colour %zu is stored as %02x %02x %02x %02x, expected %02x %02x %02x "
				"%02x", (const char *)&layout->drm, i, seen[0], seen[1], seen[2], seen[3],
				expected[0], expected[1], expected[2], expected[3]);
		}
		expect_sampled(layout, colors[i], stored);
	}
	sbx_image_destroy(image);
}

static void test_store(void **state) {
	struct pixel_shaders *shaders = pixel_shaders_create(*state);
	unsigned checked = 0;
	for (size_t i = 0; i < LAYOUT_COUNT; i++) {
		const struct sbx_format *format = sbx_format_from_drm(layouts[i].drm);
		if ((sbx_format_uses(*state, format) & SBX_FORMAT_STORE) != 0) {
			store_own(shaders, *state, &layouts[i]);
			checked++;
		}
	}
	assert_true(checked >= 8);
	pixel_shaders_destroy(shaders);
}

/* The same bytes in a dma-buf. */
static void sample_dmabuf(struct pixel_shaders *shaders, struct sbx_device *device,
		const struct layout *layout, struct test_buffer *buffer) {
	const struct sbx_format *format = sbx_format_from_drm(layout->drm);
	struct sbx_dmabuf dmabuf = test_buffer_describe(buffer, layout->drm, 4, 4, 256);
	struct sbx_image *image = NULL;
	assert_int_equal(sbx_image_import_dmabuf(device, &dmabuf, SBX_FORMAT_SAMPLE, &image), 0);
	for (size_t i = 0; i < COLOR_COUNT; i++) {
		uint8_t memory[16];
		float sampled[4];
		encode(layout, colors[i], i % 2 == 0 ? 0.0f : 1.0f, memory);
		test_buffer_begin_access(buffer);
		memcpy(buffer->data, memory, format->bytes_per_pixel);
		test_buffer_end_access(buffer);
		pixel_sample(shaders, image, sampled);
		expect_sampled(layout, colors[i], sampled);
	}
	sbx_image_destroy(image);
}

static bool takes_linear(struct sbx_device *device, const struct sbx_format *format, uint32_t use) {
	struct sbx_modifier *modifiers = NULL;
	bool found = false;
	int count = sbx_format_modifiers(device, format, &modifiers);
	for (int i = 0; i < count; i++) {
		found = found || (modifiers[i].modifier == DRM_FORMAT_MOD_LINEAR &&
			modifiers[i].planes == 1 && (modifiers[i].uses & use) == use);
	}
	free(modifiers);
	return found;
}

static void test_sample_dmabuf(void **state) {
	struct pixel_shaders *shaders = pixel_shaders_create(*state);
	struct test_buffer buffer;
	unsigned checked = 0;
	assert_int_equal(test_buffer_udmabuf(4096, &buffer), 0);
	for (size_t i = 0; i < LAYOUT_COUNT; i++) {
		if (takes_linear(*state, sbx_format_from_drm(layouts[i].drm), SBX_FORMAT_SAMPLE)) {
			sample_dmabuf(shaders, *state, &layouts[i], &buffer);
			checked++;
		}
	}
	assert_true(checked >= 30);
	pixel_shaders_destroy(shaders);
	test_buffer_finish(&buffer);
}

static void test_modifiers(void **state) {
	const uint32_t both = SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE;
	assert_true(takes_linear(*state, sbx_format_from_drm(DRM_FORMAT_XRGB8888), both));
	assert_true(takes_linear(*state, sbx_format_from_drm(DRM_FORMAT_ARGB8888), both));
}

/* Without dma-bufs there are no modifiers, and that is no error. */
static void test_no_modifiers(void **state) {
	struct sbx_device *device = *state;
	struct sbx_modifier *modifiers = NULL;
	int count = sbx_format_modifiers(device, sbx_format_from_drm(DRM_FORMAT_XRGB8888), &modifiers);
	assert_true(device->caps.dmabuf ? count > 0 : count == 0);
	free(modifiers);
}

int main(int argc, char *argv[]) {
	const struct CMUnitTest host[] = {
		cmocka_unit_test(test_table),
		VULKAN_TEST(test_needed),
		VULKAN_TEST(test_no_modifiers),
		VULKAN_TEST(test_sample),
		VULKAN_TEST(test_sample_by_others),
		VULKAN_TEST(test_widened),
		VULKAN_TEST(test_store),
	};
	const struct CMUnitTest lab[] = {
		VULKAN_TEST(test_modifiers),
		VULKAN_TEST(test_sample_dmabuf),
	};
	return VULKAN_MAIN_LAB(argc, argv, "render/format", host, lab);
}
