#include "backend/rig.h"
#include "backend/scheduler.h"
#include "loan/pace.h"

/* An output of a simulated machine: frames take what the test says, and flips come at the vblank. */
struct machine {
	struct wlr_output wlr;
	struct sbx_pace pace;
	struct sbx_scheduler scheduler;
	int64_t now_ns, base_ns;
	/** Sums of the frames since reset(). */
	int frames, missed;
	int64_t age_ns; // from the beginning of rendering to the vblank
};

static void power_on(struct machine *machine, enum sbx_schedule schedule, int64_t period_ns) {
	*machine = (struct machine){ .now_ns = RIG_START_NS, .base_ns = RIG_START_NS };
	machine->wlr.enabled = true;
	machine->pace.output = &machine->wlr;
	machine->pace.period_ns = period_ns;
	machine->pace.vblank_ns = RIG_START_NS;
	machine->scheduler.schedule = schedule;
}

static void reset(struct machine *machine) {
	machine->frames = machine->missed = 0;
	machine->age_ns = 0;
}

/* One frame, from the frame event to its flip. Returns whether it missed the vblank after the event. */
static bool frame(struct machine *machine, int64_t cpu_ns, int64_t gpu_ns, int64_t lateness_ns) {
	struct sbx_pace *pace = &machine->pace;
	int64_t event_ns = machine->now_ns;
	int64_t start_ns = sbx_scheduler_plan(&machine->scheduler, pace, event_ns);
	assert_true(start_ns >= event_ns);
	start_ns += start_ns > event_ns ? lateness_ns : 0;
	sbx_scheduler_begin(&machine->scheduler, pace, start_ns);
	sbx_scheduler_committed(&machine->scheduler, start_ns + cpu_ns);
	int64_t done_ns = start_ns + cpu_ns + gpu_ns;
	int64_t first_ns = machine->base_ns + ((event_ns - machine->base_ns) / pace->period_ns + 1) * pace->period_ns;
	int64_t shown_ns = first_ns;
	while (shown_ns < done_ns) {
		shown_ns += pace->period_ns;
	}
	sbx_forecast_add(&pace->work, gpu_ns);
	sbx_scheduler_presented(&machine->scheduler, shown_ns, pace->period_ns);
	pace->vblank_ns = shown_ns;
	machine->now_ns = shown_ns + 50000; // the event takes its time
	machine->frames++;
	machine->missed += shown_ns > first_ns;
	machine->age_ns += shown_ns - start_ns;
	return shown_ns > first_ns;
}

static void run(struct machine *machine, int frames, int64_t cpu_ns, int64_t gpu_ns) {
	for (int i = 0; i < frames; i++) {
		frame(machine, cpu_ns, gpu_ns, 100000);
	}
}

static int64_t age_us(const struct machine *machine) {
	return machine->age_ns / machine->frames / 1000;
}

/* At several refresh rates: none missed, and what is shown is hardly older than the work takes. */
static void test_steady(void **state) {
	const int64_t periods_ns[] = { 1000000000 / 60, 1000000000 / 75, 1000000000 / 144, 1000000000 / 240 };
	for (int i = 0; i < 4; i++) {
		int64_t cpu_ns = periods_ns[i] / 20, gpu_ns = periods_ns[i] / 10;
		struct machine automatic, off;
		power_on(&automatic, SBX_SCHEDULE_AUTO, periods_ns[i]);
		power_on(&off, SBX_SCHEDULE_OFF, periods_ns[i]);
		run(&automatic, 20, cpu_ns, gpu_ns);
		reset(&automatic);
		run(&automatic, 1000, cpu_ns, gpu_ns);
		run(&off, 1000, cpu_ns, gpu_ns);
		assert_int_equal(automatic.missed, 0);
		assert_int_equal(off.missed, 0);
		int64_t least_us = (cpu_ns + gpu_ns) / 1000;
		assert_true(age_us(&automatic) <= least_us + SBX_PACE_MARGIN_US + SBX_SCHEDULER_RESERVE_US + 101);
		assert_true(age_us(&automatic) < age_us(&off));
	}
}

/* Nothing is delayed before enough is known. */
static void test_first_frames(void **state) {
	struct machine machine;
	power_on(&machine, SBX_SCHEDULE_AUTO, 16666667);
	for (int i = 0; i < SBX_FORECAST_ENOUGH; i++) {
		frame(&machine, MS, MS, 0);
		assert_int_equal(machine.scheduler.delay_ns, 0);
	}
	frame(&machine, MS, MS, 0);
	assert_true(machine.scheduler.delay_ns > 10 * MS);
}

static void test_rhythm_unknown(void **state) {
	struct machine machine;
	power_on(&machine, SBX_SCHEDULE_AUTO, 16666667);
	run(&machine, 20, MS, MS);
	assert_true(machine.scheduler.delay_ns > 0);
	machine.wlr.adaptive_sync_status = WLR_OUTPUT_ADAPTIVE_SYNC_ENABLED;
	assert_int_equal(sbx_scheduler_plan(&machine.scheduler, &machine.pace, machine.now_ns), machine.now_ns);
	machine.wlr.adaptive_sync_status = WLR_OUTPUT_ADAPTIVE_SYNC_DISABLED;
	int64_t later_ns = machine.now_ns + 60 * SECOND;
	assert_int_equal(sbx_scheduler_plan(&machine.scheduler, &machine.pace, later_ns), later_ns);
	assert_int_equal(sbx_scheduler_plan(&machine.scheduler, NULL, later_ns), later_ns);
	machine.pace.vblank_ns = 0;
	assert_int_equal(sbx_scheduler_plan(&machine.scheduler, &machine.pace, machine.now_ns), machine.now_ns);
}

/* The machine slept while a frame was delayed: that costs a vblank, and the delay of the frames after it. No more. */
static void test_asleep(void **state) {
	struct machine machine;
	power_on(&machine, SBX_SCHEDULE_AUTO, 16666667);
	run(&machine, 50, MS, 2 * MS);
	assert_true(frame(&machine, MS, 2 * MS, 3 * SECOND));
	run(&machine, SBX_SCHEDULER_PENALTY_MIN, MS, 2 * MS);
	reset(&machine);
	run(&machine, 100, MS, 2 * MS);
	assert_int_equal(machine.missed, 0);
	assert_true(machine.scheduler.delay_ns > 8 * MS);
}

/* A spike that nobody could foresee costs one vblank; then frames begin at once, for a while. */
static void test_miss(void **state) {
	struct machine machine;
	power_on(&machine, SBX_SCHEDULE_AUTO, 16666667);
	run(&machine, 50, MS, 2 * MS);
	assert_true(frame(&machine, MS, 10 * MS, 0));
	assert_int_equal(machine.scheduler.missed, 1);
	for (int i = 0; i < SBX_SCHEDULER_PENALTY_MIN; i++) {
		assert_false(frame(&machine, MS, 10 * MS, 0));
		assert_int_equal(machine.scheduler.delay_ns, 0);
	}
	run(&machine, 20, MS, 2 * MS);
	frame(&machine, MS, 2 * MS, 0);
	assert_true(machine.scheduler.delay_ns > 5 * MS);

	// The second time it costs twice as long, and after many good frames less again.
	assert_true(frame(&machine, MS, 14 * MS, 0));
	assert_int_equal(machine.scheduler.penalty, 2 * SBX_SCHEDULER_PENALTY_MIN);
	run(&machine, 3 * SBX_SCHEDULER_FORGIVE, MS, 2 * MS);
	assert_true(machine.scheduler.next_penalty <= SBX_SCHEDULER_PENALTY_MIN);
	assert_int_equal(machine.scheduler.penalty, 0);
}

/* Without the penalty, repeated spikes would cost a vblank each: what it is for. */
static void test_spikes(void **state) {
	struct machine automatic, off;
	power_on(&automatic, SBX_SCHEDULE_AUTO, 16666667);
	power_on(&off, SBX_SCHEDULE_OFF, 16666667);
	for (int i = 0; i < 2000; i++) {
		int64_t gpu_ns = i % 40 == 39 ? 12 * MS : 2 * MS;
		frame(&automatic, MS, gpu_ns, 0);
		frame(&off, MS, gpu_ns, 0);
	}
	assert_int_equal(off.missed, 0);
	assert_true(automatic.missed <= 6);
}

/* More work than fits: what is missed is not the delay's fault, and nothing is delayed. */
static void test_overload(void **state) {
	struct machine machine;
	power_on(&machine, SBX_SCHEDULE_AUTO, 16666667);
	run(&machine, 30, 5 * MS, 14 * MS);
	for (int i = 0; i < 100; i++) {
		frame(&machine, 5 * MS, 14 * MS, 0);
		assert_int_equal(machine.scheduler.delay_ns, 0);
	}
	assert_true(machine.scheduler.missed >= 100);
	assert_int_equal(machine.scheduler.penalty, 0);
}

/* Timers that come late: learned, and then nothing is missed. */
static void test_late_timers(void **state) {
	struct machine machine;
	power_on(&machine, SBX_SCHEDULE_AUTO, 16666667);
	for (int i = 0; i < 400; i++) {
		frame(&machine, MS, 2 * MS, (i % 7) * MS / 2);
	}
	reset(&machine);
	for (int i = 0; i < 1000; i++) {
		frame(&machine, MS, 2 * MS, (i % 7) * MS / 2);
	}
	assert_int_equal(machine.missed, 0);
	assert_true(machine.scheduler.delay_ns > 4 * MS);
}

/* Where the CPU draws there is no GPU to measure. */
static void test_cpu_draws(void **state) {
	struct machine machine;
	power_on(&machine, SBX_SCHEDULE_AUTO, 16666667);
	for (int i = 0; i < 20; i++) {
		frame(&machine, 3 * MS, 0, 0);
		machine.pace.work = (struct sbx_forecast){ 0 };
	}
	assert_int_equal(machine.scheduler.delay_ns, 0);
	machine.scheduler.cpu_draws = true;
	frame(&machine, 3 * MS, 0, 0);
	assert_true(machine.scheduler.delay_ns > 10 * MS);
	assert_int_equal(machine.missed, 0);
}

/* A frame event after which nobody draws, and commits that nobody was asked for, teach nothing. */
static void test_nothing_drawn(void **state) {
	struct machine machine;
	power_on(&machine, SBX_SCHEDULE_AUTO, 16666667);
	run(&machine, 50, MS, 2 * MS);
	int64_t start_ns = sbx_scheduler_plan(&machine.scheduler, &machine.pace, machine.now_ns);
	sbx_scheduler_begin(&machine.scheduler, &machine.pace, start_ns);
	sbx_scheduler_plan(&machine.scheduler, &machine.pace, start_ns + 15 * MS);
	sbx_scheduler_committed(&machine.scheduler, start_ns + 80 * MS);
	sbx_scheduler_presented(&machine.scheduler, start_ns + 99 * MS, 16666667);
	int64_t cpu_ns;
	assert_true(sbx_forecast_get(&machine.scheduler.cpu, &cpu_ns));
	assert_int_equal(cpu_ns, MS);
	assert_int_equal(machine.scheduler.missed, 0);
}

static void test_fixed(void **state) {
	struct machine machine;
	power_on(&machine, SBX_SCHEDULE_FIXED, 16666667);
	machine.scheduler.fixed_ns = 5 * MS;
	run(&machine, 100, MS, MS);
	assert_int_equal(machine.missed, 0);
	assert_true(age_us(&machine) >= 4800 && age_us(&machine) <= 5001);
	machine.scheduler.fixed_ns = 50 * MS; // more than there is
	frame(&machine, MS, MS, 0);
	assert_int_equal(machine.scheduler.delay_ns, 0);
}

static const struct CMUnitTest host[] = {
	{ "scheduler: steady work at several refresh rates", test_steady, NULL, NULL, NULL },
	{ "scheduler: the first frames", test_first_frames, NULL, NULL, NULL },
	{ "scheduler: no rhythm", test_rhythm_unknown, rig_setup, rig_teardown, NULL },
	{ "scheduler: asleep", test_asleep, NULL, NULL, NULL },
	{ "scheduler: a miss", test_miss, NULL, NULL, NULL },
	{ "scheduler: spikes", test_spikes, NULL, NULL, NULL },
	{ "scheduler: more work than fits", test_overload, NULL, NULL, NULL },
	{ "scheduler: late timers", test_late_timers, NULL, NULL, NULL },
	{ "scheduler: the CPU draws", test_cpu_draws, NULL, NULL, NULL },
	{ "scheduler: nothing is drawn", test_nothing_drawn, NULL, NULL, NULL },
	{ "scheduler: fixed", test_fixed, NULL, NULL, NULL },
};

int main(int argc, char *argv[]) {
	return suite_run(argc, argv, "backend/scheduler", host, SUITE_COUNT(host), NULL, 0);
}
