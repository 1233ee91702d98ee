#include <drm_fourcc.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness/buffers.h"
#include "harness/vulkan.h"
#include "render/format.h"
#include "render/image.h"

#define SECOND 1000000000ull

static void test_probe(void **state) {
	struct sbx_device *device = *state;
	char *report = sbx_device_report(device);
	fputs(report, stderr);
	free(report);
	size_t n;
	const struct sbx_format *all = sbx_format_all(&n);
	for (size_t i = 0; i < n; i++) {
		struct sbx_modifier *m;
		int c = sbx_format_modifiers(device, &all[i], &m);
		fprintf(stderr, "%.4s own %x mods %d: ", (char *)&all[i].drm, sbx_format_uses(device, &all[i]), c);
		for (int k = 0; k < c; k++) fprintf(stderr, "%llx uses %x planes %u max %u; ", (long long)m[k].modifier, m[k].uses, m[k].planes, m[k].max_width);
		fputs("\n", stderr);
		free(m);
	}
	uint32_t sizes[][3] = { {64,64,256}, {100,100,400}, {100, 100, 404}, {33,7,132}, {33,7,33*4+4}, {1,1,4}, {1023, 5, 4092}, {1024,768,4096} };
	for (size_t i = 0; i < 8; i++) {
		uint32_t *s = sizes[i];
		struct test_buffer b;
		int ret = test_buffer_udmabuf(s[2] * s[1], &b);
		fprintf(stderr, "udmabuf %d\n", ret);
		if (ret < 0) continue;
		struct sbx_dmabuf d = test_buffer_describe(&b, DRM_FORMAT_XRGB8888, s[0], s[1], s[2]);
		struct sbx_image *image = NULL;
		ret = sbx_image_import_dmabuf(device, &d, SBX_FORMAT_SAMPLE | SBX_FORMAT_STORE, &image);
		fprintf(stderr, "%ux%u %u -> %d\n", s[0], s[1], s[2], ret);
		if (image) {
			for (size_t k = 0; k < b.size; k++) ((uint8_t*)b.data)[k] = k * 7 + k / 256;
			uint8_t *seen = malloc(s[0]*4*s[1]);
			pixman_box32_t box = {0,0,s[0],s[1]};
			fprintf(stderr, "read %d\n", sbx_image_read(image, &box, seen, s[0]*4, -1, 10*SECOND));
			for (unsigned y = 0; y < s[1]; y++) if (memcmp(seen + y*s[0]*4, (char*)b.data + y*s[2], s[0]*4)) { fprintf(stderr, "differ row %u\n", y); break; }
			free(seen);
		}
		sbx_image_destroy(image);
		test_buffer_finish(&b);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		VULKAN_TEST(test_probe),
	};
	return VULKAN_MAIN("render/image", tests);
}
