/*
 * Compares two captured pictures, or counts a colour in one.
 *
 *	picture-diff A.ppm B.ppm	the largest difference of a channel, and of how many pixels it is more
 *					than 1; exit status 0: it is 1 at most, 1: it is more
 *	picture-diff --count RRGGBB A.ppm	how many pixels have that colour
 *
 * Status 2: they cannot be compared (another size, no picture).
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct image {
	int width, height;
	unsigned char *bytes;
};

/* One number of a PPM header, and the one byte of space that follows it. */
static bool read_number(FILE *file, int *number) {
	char space;
	return fscanf(file, "%d%c", number, &space) == 2 && isspace(space) && *number > 0 &&
		*number < 100000;
}

static size_t size_of(const struct image *image) {
	return (size_t)image->width * image->height * 3;
}

static bool read_body(FILE *file, struct image *image) {
	int maximum = 0;
	if (fgetc(file) != 'P' || fgetc(file) != '6' || !read_number(file, &image->width) ||
			!read_number(file, &image->height) || !read_number(file, &maximum) || maximum != 255) {
		return false;
	}
	image->bytes = calloc(1, size_of(image));
	return image->bytes != NULL && fread(image->bytes, size_of(image), 1, file) == 1;
}

static bool read_ppm(const char *path, struct image *image) {
	FILE *file = fopen(path, "re");
	bool ok = file != NULL && read_body(file, image);
	if (!ok) {
		fprintf(stderr, "%s: %s\n", path, file == NULL ? strerror(errno) : "not a PPM picture");
	}
	if (file != NULL) {
		fclose(file);
	}
	return ok;
}

static int count(const struct image *image, const char *color) {
	long wanted = strtol(color, NULL, 16);
	long found = 0;
	for (size_t i = 0; i < size_of(image); i += 3) {
		const unsigned char *pixel = &image->bytes[i];
		found += (pixel[0] << 16 | pixel[1] << 8 | pixel[2]) == wanted;
	}
	printf("%ld\n", found);
	return 0;
}

static int compare(const struct image *a, const struct image *b) {
	if (a->width != b->width || a->height != b->height) {
		printf("%dx%d against %dx%d\n", a->width, a->height, b->width, b->height);
		return 2;
	}
	int largest = 0;
	size_t pixels = 0, last = SIZE_MAX, first = 0;
	for (size_t i = 0; i < size_of(a); i++) {
		int difference = abs(a->bytes[i] - b->bytes[i]);
		largest = difference > largest ? difference : largest;
		if (difference > 1 && last != i / 3) {
			first = pixels == 0 ? i / 3 : first;
			pixels++;
			last = i / 3;
		}
	}
	printf("largest difference %d, %zu pixels differ by more than 1", largest, pixels);
	if (pixels > 0) {
		printf(", from %zu,%zu on", first % a->width, first / a->width);
	}
	printf("\n");
	return largest > 1;
}

int main(int argc, char *argv[]) {
	struct image a = {0}, b = {0};
	int status = 2;
	if (argc == 4 && strcmp(argv[1], "--count") == 0) {
		status = read_ppm(argv[3], &a) ? count(&a, argv[2]) : 2;
	} else if (argc == 3 && read_ppm(argv[1], &a) && read_ppm(argv[2], &b)) {
		status = compare(&a, &b);
	}
	free(a.bytes);
	free(b.bytes);
	return status;
}
