/**
 * When a display with an exact refresh begins to show frames: vblank 0, 1, 2 ... of a clock that never
 * drifts, as each is computed from the first and not from the one before.
 *
 * Arithmetic only.
 */
#ifndef SBX_BACKEND_VBLANK_H
#define SBX_BACKEND_VBLANK_H

#include <stdint.h>

/** numerator / denominator times a second; neither is 0. */
struct sbx_refresh {
	uint32_t numerator, denominator;
};

struct sbx_vblank {
	struct sbx_refresh refresh;
	/** When vblank `base_seq` is, CLOCK_MONOTONIC. */
	int64_t base_ns;
	uint64_t base_seq;
};

/** Start with vblank 0 at now_ns. */
void sbx_vblank_init(struct sbx_vblank *vblank, struct sbx_refresh refresh, int64_t now_ns);

/**
 * Another refresh from the last vblank before now_ns on; sequence numbers go on. The same refresh: nothing
 * happens.
 */
void sbx_vblank_set_refresh(struct sbx_vblank *vblank, struct sbx_refresh refresh, int64_t now_ns);

/** When vblank `seq` (not before base_seq) is: rounded down to a nanosecond. */
int64_t sbx_vblank_time(const struct sbx_vblank *vblank, uint64_t seq);

/** The first vblank that is not before when_ns (and not before base_seq). */
uint64_t sbx_vblank_at(const struct sbx_vblank *vblank, int64_t when_ns);

/** From one to the next, rounded to a nanosecond. */
int64_t sbx_refresh_period_ns(struct sbx_refresh refresh);

/** In thousandths of a Hz, rounded, as wlroots counts. */
int32_t sbx_refresh_mhz(struct sbx_refresh refresh);

/**
 * What `mhz` stands for where `exact` is in use: `exact`, if that is the same number when rounded
 * (60000/1001 Hz are 59940 mHz), else mhz / 1000 Hz.
 */
struct sbx_refresh sbx_refresh_from_mhz(int32_t mhz, struct sbx_refresh exact);

#endif
