#include <wayland-client-protocol.h>

#include "check/capture.h"
#include "harness/suite.h"

#define RED 0xd81858
#define SWAPPED_RED 0x5818d8

static const uint32_t pixels[] = {
	0xff000000 | RED, RED, 0xffda165a, 0, // two exact ones (alpha does not count), one near
	0xffdb1858, 0xffd81558, 0xff000000 | SWAPPED_RED, 0xffffffff, // three too far off
};

static struct image an_image(uint32_t format) {
	return (struct image){
		.width = 4, .height = 2, .stride = 16, .format = format, .data = pixels,
	};
}

static void test_count(void **state) {
	struct image image = an_image(WL_SHM_FORMAT_XRGB8888);
	assert_int_equal(image_count(&image, RED), 3);
	image.width = 1;
	assert_int_equal(image_count(&image, RED), 1);
}

static void test_order_of_channels(void **state) {
	struct image image = an_image(WL_SHM_FORMAT_XBGR8888);
	assert_int_equal(image_count(&image, SWAPPED_RED), 3);
	assert_int_equal(image_count(&image, RED), 1);
}

static const struct CMUnitTest host[] = {
	{ "image: counts a colour within rounding", test_count, NULL, NULL, NULL },
	{ "image: red and blue may be swapped", test_order_of_channels, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "check/capture", host, SUITE_COUNT(host), NULL, 0);
}
