/**
 * The protocol's fuzz target: bytes are what clients do. It stops the process with a reason when
 * something is wrong.
 */
#ifndef FUZZ_PROTOCOL_H
#define FUZZ_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

/** For the control: what the library does wrong, as seen from the kernel. */
enum fuzz_plant {
	FUZZ_PLANT_NOTHING,
	FUZZ_PLANT_LOST_RELEASE,
	FUZZ_PLANT_DOUBLE_RELEASE,
	FUZZ_PLANT_EARLY_RELEASE,
};

extern enum fuzz_plant fuzz_plant;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
