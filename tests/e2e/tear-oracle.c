/*
 * Judges captured pictures in which sync-client windows may be seen.
 *
 *	tear-oracle [--windows N] FILE.ppm...
 *
 * A window is whole if all its tiles spell one frame number and every pixel of every tile is that
 * frame's, which the oracle draws again to compare. It is torn otherwise: the monitor showed what
 * the client was still drawing, or had begun to draw again. Prints a line for each window, and at
 * the end "judged N torn N". Exit status: 0 all whole, 1 something torn, 2 nothing that could be
 * judged (no window in a file, or with --windows not that many).
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sync-client/picture.h"

struct image {
	int width, height;
	uint32_t *pixels;
};

struct verdict {
	int tiles;
	int other_number; /* tiles that spell a number that is not the first's, or none */
	int other_pixels; /* tiles with pixels that are not that frame's */
	int32_t frame, other_frame;
};

/* One number of a PPM header, and the one byte of space that follows it. */
static bool read_number(FILE *file, int *number) {
	char space;
	return fscanf(file, "%d%c", number, &space) == 2 && isspace(space) && *number > 0 &&
		*number < 100000;
}

static bool read_pixels(FILE *file, struct image *image) {
	for (size_t i = 0; i < (size_t)image->width * image->height; i++) {
		unsigned char rgb[3];
		if (fread(rgb, 3, 1, file) != 1) {
			return false;
		}
		image->pixels[i] = 0xff000000u | (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
	}
	return true;
}

static bool read_ppm(const char *path, struct image *image) {
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	int maximum = 0;
	bool ok = fgetc(file) == 'P' && fgetc(file) == '6' && read_number(file, &image->width) &&
		read_number(file, &image->height) && read_number(file, &maximum) && maximum == 255;
	if (ok) {
		image->pixels = calloc((size_t)image->width * image->height, sizeof(uint32_t));
		ok = image->pixels != NULL && read_pixels(file, image);
	}
	fclose(file);
	if (!ok) {
		fprintf(stderr, "%s: not a whole PPM picture (P6, 8 bits)\n", path);
		free(image->pixels);
		image->pixels = NULL;
	}
	return ok;
}

static bool same_tile(const uint32_t *a, const uint32_t *b, int a_width, int b_width) {
	for (int y = 0; y < PICTURE_TILE; y++) {
		if (memcmp(&a[(size_t)y * a_width], &b[(size_t)y * b_width],
				PICTURE_TILE * sizeof(uint32_t)) != 0) {
			return false;
		}
	}
	return true;
}

static void judge_tile(const struct image *image, const uint32_t *at, const uint32_t *expected,
		int expected_width, struct verdict *verdict) {
	int32_t frame = picture_read_tile(at, image->width * sizeof(uint32_t));
	verdict->tiles++;
	if (frame != verdict->frame) {
		verdict->other_number++;
		verdict->other_frame = frame;
	} else if (!same_tile(at, expected, image->width, expected_width)) {
		verdict->other_pixels++;
	}
}

/* All tiles are compared with the frame that the top left one spells. */
static bool judge(const struct image *image, const uint32_t *corner,
		const struct picture *picture, struct verdict *verdict) {
	uint32_t *expected = calloc((size_t)picture->width * picture->height, sizeof(uint32_t));
	if (expected == NULL) {
		return false;
	}
	*verdict = (struct verdict){
		.frame = picture_read_tile(corner, image->width * sizeof(uint32_t)),
	};
	picture_draw(picture, verdict->frame, expected, picture->width * sizeof(uint32_t), 0,
		picture->height);
	for (int y = 0; y + PICTURE_TILE <= picture->height; y += PICTURE_TILE) {
		for (int x = 0; x + PICTURE_TILE <= picture->width; x += PICTURE_TILE) {
			judge_tile(image, &corner[(size_t)y * image->width + x],
				&expected[(size_t)y * picture->width + x], picture->width, verdict);
		}
	}
	free(expected);
	return true;
}

static bool report(const char *path, int x, int y, const struct picture *picture,
		const struct verdict *verdict) {
	printf("%s: %dx%d at %d,%d palette %u frame %d: ", path, picture->width, picture->height, x, y,
		picture->palette, verdict->frame);
	if (verdict->other_number == 0 && verdict->other_pixels == 0 && verdict->frame >= 0) {
		printf("whole (%d tiles)\n", verdict->tiles);
		return true;
	}
	printf("TORN: of %d tiles %d spell another number (such as %d), %d have other pixels\n",
		verdict->tiles, verdict->other_number, verdict->other_frame, verdict->other_pixels);
	return false;
}

static bool fits(const struct image *image, const struct picture *picture, int x, int y) {
	return x + picture->width <= image->width && y + picture->height <= image->height;
}

static int count_windows(const char *path, const struct image *image, int *torn) {
	int windows = 0;
	for (int y = 0; y < image->height; y++) {
		for (int x = 0; x + PICTURE_MARKER <= image->width; x++) {
			const uint32_t *corner = &image->pixels[(size_t)y * image->width + x];
			struct picture picture;
			struct verdict verdict;
			if (!picture_find(corner, &picture) || !fits(image, &picture, x, y) ||
					!judge(image, corner, &picture, &verdict)) {
				continue;
			}
			windows++;
			*torn += !report(path, x, y, &picture, &verdict);
		}
	}
	return windows;
}

int main(int argc, char *argv[]) {
	int first = 1, wanted = 0, judged = 0, torn = 0;
	bool missing = argc < 2;
	if (argc > 2 && strcmp(argv[1], "--windows") == 0) {
		wanted = atoi(argv[2]);
		first = 3;
	}
	for (int i = first; i < argc; i++) {
		struct image image = { 0 };
		int windows = read_ppm(argv[i], &image) ? count_windows(argv[i], &image, &torn) : 0;
		if (windows == 0 || (wanted > 0 && windows != wanted)) {
			printf("%s: %d windows\n", argv[i], windows);
			missing = true;
		}
		judged += windows;
		free(image.pixels);
	}
	printf("judged %d torn %d\n", judged, torn);
	return torn > 0 ? 1 : missing || judged == 0 ? 2 : 0;
}
