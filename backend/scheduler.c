#include <wlr/types/wlr_output.h>
#include "backend/scheduler.h"
#include "loan/pace.h"

#define US_NS INT64_C(1000)
#define MS_NS INT64_C(1000000)

/* The first vblank after now; 0: the rhythm is not known. */
static int64_t next_vblank(const struct sbx_pace *pace, int64_t now_ns) {
	int64_t start_ns;
	if (pace == NULL || !sbx_pace_get_start(pace, now_ns, &start_ns)) {
		return 0;
	}
	int64_t passed = now_ns < pace->vblank_ns ? 0 : (now_ns - pace->vblank_ns) / pace->period_ns + 1;
	return pace->vblank_ns + passed * pace->period_ns;
}

/* How long before the vblank rendering has to begin; 0: too little is known. */
static int64_t get_lead(const struct sbx_scheduler *scheduler, const struct sbx_pace *pace) {
	int64_t cpu_ns, gpu_ns;
	if (scheduler->schedule == SBX_SCHEDULE_FIXED) {
		return scheduler->fixed_ns;
	}
	bool measured = sbx_forecast_get(&pace->work, &gpu_ns) || scheduler->cpu_draws;
	if (scheduler->penalty > 0 || !sbx_forecast_get(&scheduler->cpu, &cpu_ns) || !measured) {
		return 0;
	}
	return cpu_ns + gpu_ns + scheduler->jitter_ns + (SBX_PACE_MARGIN_US + SBX_SCHEDULER_RESERVE_US) * US_NS;
}

static int64_t choose(const struct sbx_scheduler *scheduler, const struct sbx_pace *pace, int64_t now_ns) {
	if (scheduler->schedule == SBX_SCHEDULE_OFF || scheduler->at_once) {
		return now_ns;
	}
	int64_t vblank_ns = next_vblank(pace, now_ns);
	int64_t lead_ns = vblank_ns > 0 ? get_lead(scheduler, pace) : 0;
	return lead_ns > 0 && vblank_ns - lead_ns > now_ns ? vblank_ns - lead_ns : now_ns;
}

int64_t sbx_scheduler_plan(struct sbx_scheduler *scheduler, const struct sbx_pace *pace, int64_t now_ns) {
	int64_t start_ns = choose(scheduler, pace, now_ns);
	scheduler->delay_ns = start_ns - now_ns;
	scheduler->begun_ns = 0; // what was begun before came to nothing
	scheduler->planned_ns = start_ns > now_ns ? start_ns : 0;
	return start_ns;
}

void sbx_scheduler_begin(struct sbx_scheduler *scheduler, const struct sbx_pace *pace, int64_t now_ns) {
	scheduler->begun_delayed = scheduler->planned_ns != 0;
	scheduler->begun_late_ns = scheduler->begun_delayed ? now_ns - scheduler->planned_ns : 0;
	// Of a late timer it is still the vblank that was planned for.
	scheduler->begun_target_ns =
		next_vblank(pace, scheduler->begun_delayed ? scheduler->planned_ns : now_ns);
	scheduler->planned_ns = 0;
	scheduler->begun_ns = now_ns;
}

static void learn(struct sbx_scheduler *scheduler, int64_t took_ns) {
	int64_t expected_ns;
	bool known = sbx_forecast_get(&scheduler->cpu, &expected_ns);
	bool stopped = scheduler->begun_late_ns > SBX_SCHEDULER_STOPPED_MS * MS_NS;
	int64_t over_ns = (stopped ? 0 : scheduler->begun_late_ns) +
		(known && took_ns > expected_ns ? took_ns - expected_ns : 0);
	scheduler->jitter_ns -= scheduler->jitter_ns / SBX_SCHEDULER_FADE;
	if (over_ns > scheduler->jitter_ns) {
		scheduler->jitter_ns = over_ns;
	}
	sbx_forecast_add(&scheduler->cpu, took_ns);
}

void sbx_scheduler_committed(struct sbx_scheduler *scheduler, int64_t now_ns) {
	if (scheduler->begun_ns == 0) {
		return; // somebody commits without being asked to
	}
	learn(scheduler, now_ns - scheduler->begun_ns);
	scheduler->begun_ns = 0;
	scheduler->target_ns = scheduler->begun_target_ns;
	scheduler->delayed = scheduler->begun_delayed;
}

static void punish(struct sbx_scheduler *scheduler) {
	unsigned penalty = scheduler->next_penalty;
	penalty = penalty < SBX_SCHEDULER_PENALTY_MIN ? SBX_SCHEDULER_PENALTY_MIN : penalty;
	scheduler->penalty = penalty;
	scheduler->next_penalty = penalty * 2 < SBX_SCHEDULER_PENALTY_MAX ? penalty * 2 :
		SBX_SCHEDULER_PENALTY_MAX;
	scheduler->on_time = 0;
}

static void praise(struct sbx_scheduler *scheduler) {
	if (scheduler->penalty > 0) {
		scheduler->penalty--;
		return; // a frame that was begun at once proves nothing
	}
	if (++scheduler->on_time >= SBX_SCHEDULER_FORGIVE) {
		scheduler->on_time = 0;
		scheduler->next_penalty /= 2;
	}
}

void sbx_scheduler_presented(struct sbx_scheduler *scheduler, int64_t when_ns, int64_t period_ns) {
	int64_t target_ns = scheduler->target_ns;
	scheduler->target_ns = 0;
	if (target_ns == 0 || period_ns <= 0) {
		return;
	}
	bool missed = when_ns > target_ns + period_ns / 2;
	scheduler->missed += missed;
	if (missed && scheduler->delayed) {
		punish(scheduler);
	} else {
		praise(scheduler);
	}
}
