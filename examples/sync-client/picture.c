#include <stdlib.h>
#include <string.h>
#include "picture.h"

#define OPAQUE 0xff000000u
#define BIT_SET 0xffd8e4f0u
#define BIT_CLEAR 0xff1c2634u
#define BITS 16
#define STRIP 2 /* rows */

static const uint32_t marker[PICTURE_MARKER - 2] = {
	0xff53a10c, 0xff0c53a1, 0xffa10c53, 0xff3c5ac3, 0xffc33c5a, 0xff5ac33c, 0xff0ff0a5, 0xfff0a50f,
};

/* Top, bottom, and the light that wanders over them. The sums stay below 256 in each channel. */
static const struct {
	uint32_t top, bottom, light;
} palettes[PICTURE_PALETTES] = {
	{ 0x0b1026, 0x10405a, 0x305870 },
	{ 0x1a0c2e, 0x50204c, 0x603868 },
	{ 0x06201c, 0x1c5038, 0x386848 },
	{ 0x22140a, 0x5a3418, 0x684830 },
};

static const uint32_t lamp_colors[3] = { 0xff3b30, 0xffb020, 0x30d158 };

struct lamp {
	int x, y;
	uint32_t shades[64]; /* by the square of the distance from the middle */
};

/* What a frame needs for every row. */
struct scene {
	const struct picture *picture;
	uint32_t frame;
	uint32_t waves[256];
	int radius;
	int head_x, head_y, head_width, head_height;
	struct lamp lamps[3];
};

/* Each channel of `color` times part/whole. */
static uint32_t scale(uint32_t color, unsigned part, unsigned whole) {
	uint32_t r = (color >> 16 & 0xff) * part / whole;
	uint32_t g = (color >> 8 & 0xff) * part / whole;
	uint32_t b = (color & 0xff) * part / whole;
	return r << 16 | g << 8 | b;
}

static int triangle(int value, int period) {
	int at = value % period;
	return at < period / 2 ? at : period - at;
}

static void init_waves(struct scene *scene) {
	uint32_t light = palettes[scene->picture->palette].light;
	for (int i = 0; i < 256; i++) {
		unsigned height = triangle(i, 256);
		scene->waves[i] = OPAQUE | scale(light, height * height, 128 * 128);
	}
}

static void init_lamp(struct lamp *lamp, uint32_t color, bool lit) {
	for (unsigned i = 0; i < 64; i++) {
		unsigned shade = lit ? 64 - i / 3 : 10 + i / 8;
		lamp->shades[i] = OPAQUE | scale(color, shade, 64);
		if (lit && i < 12) {
			uint32_t white = scale(0xffffff, 12 - i, 12);
			lamp->shades[i] = OPAQUE | (scale(color, i, 12) + white);
		}
	}
}

static void init_head(struct scene *scene) {
	const struct picture *picture = scene->picture;
	int size = picture->height < picture->width ? picture->height : picture->width;
	scene->radius = size / 11;
	scene->head_width = scene->radius * 3;
	scene->head_height = scene->radius * 8;
	int way = picture->width - scene->head_width - 2 * PICTURE_TILE;
	scene->head_x = PICTURE_TILE + (way > 0 ? triangle((int)scene->frame * 3, 2 * way) : 0);
	scene->head_y = (picture->height - scene->head_height) / 2;
	for (int i = 0; i < 3; i++) {
		struct lamp *lamp = &scene->lamps[i];
		lamp->x = scene->head_x + scene->head_width / 2;
		lamp->y = scene->head_y + scene->head_height / 2 + (i - 1) * scene->radius * 5 / 2;
		init_lamp(lamp, lamp_colors[i], scene->frame / 16 % 3 == (uint32_t)i);
	}
}

static void draw_field(const struct scene *scene, uint32_t *row, int y) {
	const struct picture *picture = scene->picture;
	uint32_t base = scale(palettes[picture->palette].top, picture->height - y, picture->height) +
		scale(palettes[picture->palette].bottom, y, picture->height);
	unsigned phase = (unsigned)y + scene->frame * 5;
	for (int x = 0; x < picture->width; x++) {
		row[x] = base + scene->waves[(phase + (unsigned)x * 2) & 255];
	}
}

static void draw_lamp(const struct scene *scene, const struct lamp *lamp, uint32_t *row, int y) {
	int square = scene->radius * scene->radius;
	int dy = y - lamp->y;
	for (int dx = -scene->radius; dx <= scene->radius; dx++) {
		int distance = dx * dx + dy * dy;
		if (distance < square) {
			row[lamp->x + dx] = lamp->shades[distance * 64 / square];
		}
	}
}

static void draw_head(const struct scene *scene, uint32_t *row, int y) {
	int from_edge = y - scene->head_y;
	if (from_edge < 0 || from_edge >= scene->head_height) {
		return;
	}
	/* The corners of the head are cut. */
	int to_edge = scene->head_height - 1 - from_edge;
	int edge = from_edge < to_edge ? from_edge : to_edge;
	int inset = edge < scene->radius / 2 ? scene->radius / 2 - edge : 0;
	for (int x = inset; x < scene->head_width - inset; x++) {
		row[scene->head_x + x] = OPAQUE | 0x0c0f14;
	}
	for (int i = 0; i < 3; i++) {
		if (abs(y - scene->lamps[i].y) < scene->radius) {
			draw_lamp(scene, &scene->lamps[i], row, y);
		}
	}
}

static void draw_strip(const struct scene *scene, uint32_t *row, int y) {
	if (y % PICTURE_TILE < PICTURE_TILE - STRIP) {
		return;
	}
	int whole = scene->picture->width / PICTURE_TILE * PICTURE_TILE;
	for (int x = 0; x < whole; x++) {
		int bit = x % PICTURE_TILE * BITS / PICTURE_TILE;
		row[x] = scene->frame >> bit & 1 ? BIT_SET : BIT_CLEAR;
	}
}

static void draw_marker(const struct picture *picture, uint32_t *row) {
	memcpy(row, marker, sizeof(marker));
	row[PICTURE_MARKER - 2] = OPAQUE | (uint32_t)picture->width << 4 | picture->palette;
	row[PICTURE_MARKER - 1] = OPAQUE | (uint32_t)picture->height << 4 | 0xb;
}

void picture_draw(const struct picture *picture, uint32_t frame, void *pixels, size_t stride,
		int first, int end) {
	struct scene scene = { .picture = picture, .frame = frame & 0xffff };
	init_waves(&scene);
	init_head(&scene);
	for (int y = first; y < end; y++) {
		uint32_t *row = (uint32_t *)((char *)pixels + (size_t)y * stride);
		draw_field(&scene, row, y);
		draw_head(&scene, row, y);
		draw_strip(&scene, row, y);
		if (y == 0) {
			draw_marker(picture, row);
		}
	}
}

static bool is_valid(const struct picture *picture) {
	return picture->width >= PICTURE_MIN_SIZE && picture->width <= PICTURE_MAX_SIZE &&
		picture->height >= PICTURE_MIN_SIZE && picture->height <= PICTURE_MAX_SIZE &&
		picture->palette < PICTURE_PALETTES;
}

bool picture_find(const uint32_t *pixels, struct picture *picture) {
	if (memcmp(pixels, marker, sizeof(marker)) != 0 ||
			(pixels[PICTURE_MARKER - 1] & 0xf) != 0xb) {
		return false;
	}
	*picture = (struct picture){
		.width = pixels[PICTURE_MARKER - 2] >> 4 & 0xfffff,
		.height = pixels[PICTURE_MARKER - 1] >> 4 & 0xfffff,
		.palette = pixels[PICTURE_MARKER - 2] & 0xf,
	};
	return is_valid(picture);
}

int32_t picture_read_tile(const uint32_t *pixels, size_t stride) {
	const uint32_t *row =
		(const uint32_t *)((const char *)pixels + (PICTURE_TILE - STRIP) * stride);
	int32_t frame = 0;
	for (int bit = 0; bit < BITS; bit++) {
		uint32_t pixel = row[bit * PICTURE_TILE / BITS];
		if (pixel != BIT_SET && pixel != BIT_CLEAR) {
			return -1;
		}
		frame |= (pixel == BIT_SET) << bit;
	}
	return frame;
}
