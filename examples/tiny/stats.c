#include <errno.h>
#include <inttypes.h>
#include <signalbox/counters.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wlr/types/wlr_output.h>
#include <wlr/util/log.h>
#include "tiny.h"

static uint64_t read_clock(clockid_t clock) {
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t tiny_stats_now_ns(void) {
	return read_clock(CLOCK_MONOTONIC);
}

static uint64_t count_ioctls(void) {
	uint64_t sum = 0;
	for (size_t i = 0; i < sbx_counter_get_count(); i++) {
		if (strncmp(sbx_counter_get_name(i), "ioctl.", 6) == 0) {
			sum += sbx_counter_get(i);
		}
	}
	return sum;
}

void tiny_stats_frame_begin(struct tiny_stats *stats) {
	stats->begin_thread_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
	stats->begin_ioctls = count_ioctls();
	if (stats->first_ns == 0) {
		stats->first_ns = read_clock(CLOCK_MONOTONIC);
		stats->first_thread_ns = stats->begin_thread_ns;
		stats->first_process_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID);
		stats->first_ioctls = stats->begin_ioctls;
	}
}

void tiny_stats_frame_end(struct tiny_stats *stats, bool drawn) {
	if (!drawn) {
		return;
	}
	uint64_t cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - stats->begin_thread_ns;
	stats->frames++;
	stats->frame_cpu_ns += cpu_ns;
	if (cpu_ns > stats->frame_cpu_max_ns) {
		stats->frame_cpu_max_ns = cpu_ns;
	}
	stats->frame_ioctls += count_ioctls() - stats->begin_ioctls;
}

static void print(FILE *file, const char *name, uint64_t value) {
	fprintf(file, "%s %" PRIu64 "\n", name, value);
}

static void print_latches(FILE *file, const struct sbx_syncobj_manager *manager) {
	struct sbx_syncobj_stats stats;
	sbx_syncobj_manager_get_stats(manager, &stats);
	print(file, "latched_signalled", stats.latched[SBX_LATCH_SIGNALLED]);
	print(file, "latched_materialised", stats.latched[SBX_LATCH_MATERIALISED]);
	print(file, "latched_deadline", stats.latched[SBX_LATCH_DEADLINE]);
	print(file, "predicted", stats.predicted);
	print(file, "predictions_kept", stats.predictions_kept);
	print(file, "predictions_broken", stats.predictions_broken);
}

static void print_output(FILE *file, const struct tiny_output *output) {
	const char *name = output->wlr->name;
	struct sbx_output_info info;
	sbx_output_get_info(output->sbx, &info);
	fprintf(file, "output.%s.way %s\n", name, sbx_fence_way_name(info.way));
	fprintf(file, "output.%s.scanout %s\n", name, sbx_scanout_name(info.scanout));
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{ "frames", info.frames }, { "scanned_out", info.scanned_out }, { "waited", info.waited },
		{ "dropped", info.dropped }, { "refused", info.refused }, { "late_flips", info.late_flips },
		{ "lost_flips", info.lost_flips }, { "torn", info.torn },
		{ "age_us", output->shown > 0 ? output->age_ns / output->shown / 1000 : 0 },
		{ "shown", output->shown }, { "missed_vblanks", info.missed_vblanks },
		{ "delay_us", info.delay_us }, { "cpu_us", info.cpu_us }, { "gpu_us", info.gpu_us },
		{ "refuses_fences", info.refuses_fences }, { "on_screen", info.on_screen },
	};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		fprintf(file, "output.%s.%s %" PRIu64 "\n", name, counts[i].name, counts[i].value);
	}
}

bool tiny_stats_write(const struct tiny *tiny, const char *path) {
	const struct tiny_stats *stats = &tiny->stats;
	FILE *file = fopen(path, "we");
	if (file == NULL) {
		wlr_log(WLR_ERROR, "cannot write %s: %s", path, strerror(errno));
		return false;
	}
	print(file, "frames", stats->frames);
	print(file, "frame_cpu_ns", stats->frame_cpu_ns);
	print(file, "frame_cpu_max_ns", stats->frame_cpu_max_ns);
	print(file, "frame_ioctls", stats->frame_ioctls);
	if (stats->frames > 0) {
		print(file, "elapsed_ns", read_clock(CLOCK_MONOTONIC) - stats->first_ns);
		print(file, "thread_cpu_ns",
			read_clock(CLOCK_THREAD_CPUTIME_ID) - stats->first_thread_ns);
		print(file, "process_cpu_ns",
			read_clock(CLOCK_PROCESS_CPUTIME_ID) - stats->first_process_ns);
		print(file, "ioctls", count_ioctls() - stats->first_ioctls);
	}
	if (tiny->syncobj != NULL) {
		print_latches(file, tiny->syncobj);
	}
	for (size_t i = 0; i < sbx_counter_get_count(); i++) {
		fprintf(file, "counter.%s %" PRIu64 "\n", sbx_counter_get_name(i), sbx_counter_get(i));
	}
	const struct tiny_output *output;
	wl_list_for_each(output, &tiny->outputs, link) {
		print_output(file, output);
	}
	return fclose(file) == 0;
}
