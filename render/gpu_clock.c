#include "render/gpu_clock.h"

/* Crystals are that good; so an old observation is worth less than a new one. */
#define DRIFT_PPM 100
/* Beyond that, better begin anew than trust the drift. */
#define MAX_AGE_NS INT64_C(10000000000)

/* Timestamps wrap around at valid_bits, in seconds on some GPUs: the nearer way counts. */
static int64_t ticks_between(const struct sbx_gpu_clock *clock, uint64_t from, uint64_t to) {
	uint32_t unused = clock->valid_bits < 64 ? 64 - clock->valid_bits : 0;
	return (int64_t)((to - from) << unused) >> unused;
}

/* Since the reference, without the offset. */
static int64_t elapsed_ns(const struct sbx_gpu_clock *clock, uint64_t ticks) {
	return (int64_t)((double)ticks_between(clock, clock->ref_ticks, ticks) * clock->period_ns);
}

static int64_t drift_ns(int64_t elapsed) {
	return (elapsed < 0 ? -elapsed : elapsed) / 1000000 * DRIFT_PPM;
}

void sbx_gpu_clock_calibrate(struct sbx_gpu_clock *clock, uint64_t ticks, int64_t now_ns,
		uint64_t deviation_ns) {
	clock->known = true;
	clock->ref_ticks = ticks;
	clock->ref_ns = now_ns;
	clock->low_ns = -(int64_t)deviation_ns;
	clock->high_ns = (int64_t)deviation_ns;
}

static void begin_anew(struct sbx_gpu_clock *clock, uint64_t began_ticks, uint64_t ended_ticks,
		int64_t submitted_ns, int64_t done_ns) {
	clock->known = true;
	clock->ref_ticks = began_ticks;
	clock->ref_ns = submitted_ns;
	clock->low_ns = 0;
	clock->high_ns = done_ns - submitted_ns - elapsed_ns(clock, ended_ticks);
	if (clock->high_ns < 0) {
		clock->high_ns = 0; // a GPU whose ticks are longer than it says
	}
}

void sbx_gpu_clock_observe(struct sbx_gpu_clock *clock, uint64_t began_ticks, uint64_t ended_ticks,
		int64_t submitted_ns, int64_t done_ns) {
	if (!clock->known) {
		begin_anew(clock, began_ticks, ended_ticks, submitted_ns, done_ns);
		return;
	}
	int64_t began_ns = elapsed_ns(clock, began_ticks), ended_ns = elapsed_ns(clock, ended_ticks);
	int64_t low = submitted_ns - clock->ref_ns - began_ns;
	int64_t high = done_ns - clock->ref_ns - ended_ns;
	int64_t drift = drift_ns(ended_ns);
	low = low > clock->low_ns - drift ? low : clock->low_ns - drift;
	high = high < clock->high_ns + drift ? high : clock->high_ns + drift;
	if (low > high || began_ns < 0 || began_ns > MAX_AGE_NS) {
		begin_anew(clock, began_ticks, ended_ticks, submitted_ns, done_ns);
		return;
	}
	// The reference moves along, so that the drift is counted once.
	clock->ref_ticks = began_ticks;
	clock->ref_ns += began_ns;
	clock->low_ns = low;
	clock->high_ns = high;
}

bool sbx_gpu_clock_convert(const struct sbx_gpu_clock *clock, uint64_t ticks, int64_t *ns,
		uint64_t *uncertainty_ns) {
	if (!clock->known) {
		return false;
	}
	int64_t elapsed = elapsed_ns(clock, ticks);
	*ns = clock->ref_ns + elapsed + clock->low_ns + (clock->high_ns - clock->low_ns) / 2;
	*uncertainty_ns = (uint64_t)((clock->high_ns - clock->low_ns + 1) / 2 + drift_ns(elapsed));
	return true;
}
