#include "backend/vblank.h"

#define SECOND_NS INT64_C(1000000000)

void sbx_vblank_init(struct sbx_vblank *vblank, struct sbx_refresh refresh, int64_t now_ns) {
	*vblank = (struct sbx_vblank){ .refresh = refresh, .base_ns = now_ns };
}

void sbx_vblank_set_refresh(struct sbx_vblank *vblank, struct sbx_refresh refresh, int64_t now_ns) {
	if (refresh.numerator == vblank->refresh.numerator &&
			refresh.denominator == vblank->refresh.denominator) {
		return;
	}
	uint64_t next = sbx_vblank_at(vblank, now_ns);
	uint64_t last = next > vblank->base_seq ? next - 1 : next;
	vblank->base_ns = sbx_vblank_time(vblank, last);
	vblank->base_seq = last;
	vblank->refresh = refresh;
}

int64_t sbx_vblank_time(const struct sbx_vblank *vblank, uint64_t seq) {
	// 128 bits: an hour at 144 Hz, in nanoseconds, times a denominator leaves 64 behind.
	__int128 ns = (__int128)(seq - vblank->base_seq) * SECOND_NS * vblank->refresh.denominator;
	return vblank->base_ns + (int64_t)(ns / vblank->refresh.numerator);
}

uint64_t sbx_vblank_at(const struct sbx_vblank *vblank, int64_t when_ns) {
	if (when_ns <= vblank->base_ns) {
		return vblank->base_seq;
	}
	__int128 cycles = (__int128)(when_ns - vblank->base_ns) * vblank->refresh.numerator;
	uint64_t seq = vblank->base_seq +
		(uint64_t)(cycles / ((__int128)SECOND_NS * vblank->refresh.denominator));
	// The division and vblank_time() both round down: at most one vblank is missing.
	return sbx_vblank_time(vblank, seq) < when_ns ? seq + 1 : seq;
}

int64_t sbx_refresh_period_ns(struct sbx_refresh refresh) {
	return (SECOND_NS * refresh.denominator + refresh.numerator / 2) / refresh.numerator;
}

int32_t sbx_refresh_mhz(struct sbx_refresh refresh) {
	uint64_t mhz = (UINT64_C(1000) * refresh.numerator + refresh.denominator / 2) / refresh.denominator;
	return mhz <= INT32_MAX ? (int32_t)mhz : INT32_MAX;
}

struct sbx_refresh sbx_refresh_from_mhz(int32_t mhz, struct sbx_refresh exact) {
	if (mhz <= 0 || mhz == sbx_refresh_mhz(exact)) {
		return exact;
	}
	return (struct sbx_refresh){ .numerator = (uint32_t)mhz, .denominator = 1000 };
}
