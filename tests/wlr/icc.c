#include "icc.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE 128
#define N_TAGS 9
#define TAG_SIZE 32

static void put_u32(uint8_t *at, uint32_t value) {
	for (int i = 0; i < 4; i++) {
		at[i] = (uint8_t)(value >> (24 - 8 * i));
	}
}

static void put_name(uint8_t *at, const char *name) {
	memcpy(at, name, 4);
}

static void put_xyz(uint8_t *at, const double xyz[static 3]) {
	for (int i = 0; i < 3; i++) {
		put_u32(at + 4 * i, (uint32_t)lrint(xyz[i] * 65536));
	}
}

/** sRGB's colours as seen under D50 (Bradford), which is what profiles hold: from the ICC's sRGB profile. */
static const struct {
	const char *name;
	double xyz[3];
} colorants[] = {
	{ "wtpt", { 0.9642, 1, 0.8249 } },
	{ "rXYZ", { 0.43607, 0.22249, 0.01392 } },
	{ "gXYZ", { 0.38515, 0.71687, 0.09708 } },
	{ "bXYZ", { 0.14307, 0.06061, 0.71410 } },
};

static void put_header(uint8_t *profile, uint32_t size) {
	static const double d50[3] = { 0.9642, 1, 0.8249 };
	put_u32(profile, size);
	put_u32(profile + 8, 0x02100000);
	put_name(profile + 12, "mntr");
	put_name(profile + 16, "RGB ");
	put_name(profile + 20, "XYZ ");
	put_name(profile + 36, "acsp");
	put_xyz(profile + 68, d50);
}

/** Its entry in the list; returns where its content goes. */
static uint8_t *put_tag(uint8_t *profile, uint32_t index, const char *name) {
	uint32_t offset = HEADER_SIZE + 4 + 12 * N_TAGS + TAG_SIZE * index;
	uint8_t *entry = profile + HEADER_SIZE + 4 + 12 * index;
	put_name(entry, name);
	put_u32(entry + 4, offset);
	put_u32(entry + 8, TAG_SIZE);
	return profile + offset;
}

void *icc_create(double gamma, size_t *size) {
	static const char *const curves[] = { "rTRC", "gTRC", "bTRC" };
	static const char *const texts[] = { "desc", "cprt" };
	*size = HEADER_SIZE + 4 + 12 * N_TAGS + TAG_SIZE * N_TAGS;
	uint8_t *profile = calloc(1, *size);
	if (profile == NULL) {
		abort();
	}
	put_header(profile, (uint32_t)*size);
	put_u32(profile + HEADER_SIZE, N_TAGS);
	uint32_t n = 0;
	for (size_t i = 0; i < 4; i++) {
		uint8_t *tag = put_tag(profile, n++, colorants[i].name);
		put_name(tag, "XYZ ");
		put_xyz(tag + 8, colorants[i].xyz);
	}
	for (size_t i = 0; i < 3; i++) {
		uint8_t *tag = put_tag(profile, n++, curves[i]);
		put_name(tag, "curv");
		put_u32(tag + 8, 1);
		put_u32(tag + 12, (uint32_t)lrint(gamma * 256) << 16);
	}
	for (size_t i = 0; i < 2; i++) {
		put_name(put_tag(profile, n++, texts[i]), "text");
	}
	return profile;
}
