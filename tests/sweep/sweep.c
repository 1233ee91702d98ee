/*
 * The fault sweep: the story (story.h) is told once for every call into the kernel or the driver, every
 * use of it, and every error that it can give, and each time it must end well. First the controls: with a
 * planted defect it must not.
 *
 * usage: sweep host|lab|lab-exports [--errors N] [--every N] [--only CALL]
 *        sweep host|lab|lab-exports --case CALL N ERROR once|spell|good
 *
 * lab-exports: the renderer exports each completion as a fence, as it does on hardware.
 *
 * --errors N: of each call the first N errors at every use; the rest, and the other modes, at every
 * --every'th use only. Without it all errors at every use.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fault.h"
#include "gpu.h"
#include "harness/suite.h"
#include "harness/vgem.h"
#include "story.h"
#include "sync/kernel.h"

enum { MAX_CASES = 65536, MAX_CALLS = 64, JOBS = 2, CASE_SECONDS = 120, REASON = 200, SHOWN = 6, TRIES = 3 };
/* vgem signals a fence by itself after ten seconds. */
#define FENCES_LAST_NS INT64_C(9000000000)

enum state { NOT_RUN, RUNNING, WELL, NOT_REACHED, BAD };

struct result {
	enum state state;
	unsigned tries;
	int64_t begun_ns, ended_ns;
	char why[REASON];
};

struct job {
	struct fault fault;
	enum fault_plant plant;
};

/* Shared by all processes. */
static struct {
	struct result results[MAX_CASES];
	unsigned uses[MAX_CALLS];
} *shared;

static struct job jobs[MAX_CASES];
static size_t job_count;
static bool lab;
static unsigned tests;
static bool all_well = true;

static const char *const mode_names[] = { "once", "spell", "good" };

/* Running */

static bool can_count_memory(void) {
	// A sanitizer's allocator says nothing here, and has leaks of its own to tell of.
	return mallinfo2().uordblks > 0;
}

static void tell(struct gpu *gpu, size_t index) {
	struct result *result = &shared->results[index];
	result->state = RUNNING;
	result->begun_ns = sbx_kernel_now_ns();
	const char *why = NULL;
	alarm(CASE_SECONDS);
	size_t memory = mallinfo2().uordblks;
	bool happened = story_tell(gpu, lab, &jobs[index].fault, jobs[index].plant, &why);
	size_t grown = mallinfo2().uordblks - memory;
	alarm(0);
	result->ended_ns = sbx_kernel_now_ns();
	// A Vulkan driver keeps caches: there only the fds and handles are counted.
	if (why == NULL && !lab && can_count_memory() && mallinfo2().uordblks > memory) {
		snprintf(result->why, REASON, "%zu bytes of memory are left", grown);
		result->state = BAD;
	} else if (why != NULL) {
		snprintf(result->why, REASON, "%s", why);
		result->state = BAD;
	} else {
		result->state = happened ? WELL : NOT_REACHED;
	}
	for (size_t i = 0; i < fault_call_count && jobs[index].fault.call < 0; i++) {
		shared->uses[i] = fault_uses((int)i);
	}
}

static void warm_up(struct gpu *gpu, int times) {
	static const struct fault none = { .call = -1 };
	const char *why = NULL;
	for (int i = 0; i < times; i++) {
		story_tell(gpu, lab, &none, PLANT_NOTHING, &why);
		if (why != NULL) {
			fprintf(stderr, "without a fault: %s\n", why);
			exit(5);
		}
	}
	story_count(true);
}

static void note_end(size_t index, int status) {
	struct result *result = &shared->results[index];
	if (result->state == RUNNING) {
		result->state = BAD;
		result->ended_ns = sbx_kernel_now_ns();
		if (WIFSIGNALED(status)) {
			snprintf(result->why, REASON, "killed by signal %d (%s)", WTERMSIG(status),
				strsignal(WTERMSIG(status)));
		} else {
			snprintf(result->why, REASON, "exit status %d", WEXITSTATUS(status));
		}
	} else if (status != 0 && result->state != BAD) {
		result->state = BAD;
		snprintf(result->why, REASON, "exit status %d (a leak?)", WEXITSTATUS(status));
	}
}

/* A process for each: whatever happens stays there. */
static void run_alone(struct gpu *gpu, size_t index) {
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		tell(gpu, index);
		exit(0);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	note_end(index, status);
}

/* The jobs first, first + JOBS, ...: on a Vulkan device in this process, until one goes wrong. */
static void work(size_t first) {
	struct gpu *gpu = lab ? gpu_real_create() : gpu_fake_create();
	if (gpu == NULL) {
		exit(3);
	}
	warm_up(gpu, lab ? 1 : 2);
	for (size_t i = first; i < job_count; i += JOBS) {
		if (shared->results[i].state != NOT_RUN) {
			continue;
		}
		if (!lab) {
			run_alone(gpu, i);
			continue;
		}
		tell(gpu, i);
		if (shared->results[i].state == BAD) {
			_exit(4);
		}
	}
	if (lab) {
		gpu->destroy(gpu);
	}
	_exit(0);
}

static bool is_left(size_t first) {
	for (size_t i = first; i < job_count; i += JOBS) {
		if (shared->results[i].state == NOT_RUN) {
			return true;
		}
	}
	return false;
}

/* On a machine so busy that the client's fences ended by themselves, a case says nothing: once more. */
static void retry_slow(size_t first) {
	for (size_t i = first; i < job_count; i += JOBS) {
		struct result *result = &shared->results[i];
		if (lab && result->state == BAD && result->ended_ns - result->begun_ns > FENCES_LAST_NS &&
				result->tries + 1 < TRIES) {
			result->tries++;
			result->state = NOT_RUN;
		}
	}
}

/* Keeps one worker going until the jobs from `first` on are done. */
static void supervise(size_t first) {
	int barren = 0;
	while (is_left(first) && barren < 3) {
		fflush(NULL);
		pid_t pid = fork();
		if (pid == 0) {
			work(first);
		}
		int status = 0;
		waitpid(pid, &status, 0);
		barren++;
		for (size_t i = first; i < job_count; i += JOBS) {
			if (shared->results[i].state == RUNNING) {
				note_end(i, status);
				barren = 0;
			}
		}
		if (WIFEXITED(status) && WEXITSTATUS(status) == 4) {
			barren = 0;
		}
		retry_slow(first);
	}
	_exit(0);
}

static void run_all(void) {
	fflush(NULL);
	for (size_t i = 0; i < JOBS; i++) {
		if (fork() == 0) {
			supervise(i);
		}
	}
	while (wait(NULL) > 0) {
	}
}

static void add_job(struct fault fault, enum fault_plant plant) {
	if (job_count == MAX_CASES) {
		fprintf(stderr, "too many cases\n");
		exit(1);
	}
	shared->results[job_count] = (struct result){0};
	jobs[job_count++] = (struct job){ fault, plant };
}

/* Reporting */

static void test(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void test(bool ok, const char *format, ...) {
	va_list args;
	va_start(args, format);
	printf("%sok %u - ", ok ? "" : "not ", ++tests);
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	all_well &= ok;
}

static void explain(size_t index) {
	const struct fault *fault = &jobs[index].fault;
	const struct result *result = &shared->results[index];
	printf("# --case %s %u %d %s: %s (%.1f s, try %u)\n", fault_calls[fault->call].name, fault->n,
		fault->error, mode_names[fault->mode], result->state == NOT_RUN ? "was not run" : result->why,
		(double)(result->ended_ns - result->begun_ns) / 1e9, result->tries + 1);
}

static void report_call(int call) {
	unsigned well = 0, bad = 0, total = 0;
	for (size_t i = 0; i < job_count; i++) {
		if (jobs[i].fault.call != call) {
			continue;
		}
		enum state state = shared->results[i].state;
		total++;
		well += state == WELL;
		if (state == BAD || state == NOT_RUN) {
			if (bad++ < SHOWN || getenv("TEST_VERBOSE") != NULL) {
				explain(i);
			}
		}
	}
	if (total > 0) {
		test(bad == 0 && well > 0, "%s: %u uses, %u faults, %u bad", fault_calls[call].name,
			shared->uses[call], well + bad, bad);
	}
}

/* Controls */

static const struct {
	enum fault_plant plant;
	const char *name, *words;
	bool host, lab;
} controls[] = {
	{ PLANT_IGNORED_WAIT, "a wait that is ignored", "torn", true, true },
	{ PLANT_IGNORED_GPU_WAIT, "a GPU that does not wait", "torn", false, true },
	{ PLANT_EARLY_RELEASE, "a release before the reader is done", "early release", true, true },
	{ PLANT_LOST_RELEASE, "a release that is forgotten", "lost release", true, true },
	{ PLANT_LOST_FD, "a lost fd", "fds are open", true, true },
	{ PLANT_LOST_HANDLE, "a lost handle", "the kernel gives out handle", true, true },
	{ PLANT_LOST_MEMORY, "lost memory", "", true, false },
};

static void run_controls(void) {
	size_t n = sizeof(controls) / sizeof(controls[0]);
	const struct fault none = { .call = -1 };
	job_count = 0;
	for (size_t i = 0; i < n; i++) {
		if ((lab ? controls[i].lab : controls[i].host) &&
				(controls[i].plant != PLANT_LOST_MEMORY || can_count_memory())) {
			add_job(none, controls[i].plant);
		}
	}
	run_all();
	for (size_t i = 0; i < job_count; i++) {
		size_t control = 0;
		while (controls[control].plant != jobs[i].plant) {
			control++;
		}
		const struct result *result = &shared->results[i];
		test(result->state == BAD && strstr(result->why, controls[control].words) != NULL,
			"control: %s is noticed: %s", controls[control].name, result->why);
	}
}

/* Which cases */

struct plan {
	unsigned errors, every;
	const char *only;
};

static void plan_call(const struct plan *plan, int call) {
	const struct fault_call *it = &fault_calls[call];
	unsigned phase = 0;
	for (int i = 0; i < 8 && it->errors[i] != 0; i++) {
		bool rare = (unsigned)i >= plan->errors;
		for (unsigned n = rare ? phase++ % plan->every : 0; n < shared->uses[call];
				n += rare ? plan->every : 1) {
			add_job((struct fault){ call, n, it->errors[i], FAULT_ONCE }, PLANT_NOTHING);
		}
	}
	for (unsigned n = 0; n < shared->uses[call] && !it->works; n += plan->every) {
		add_job((struct fault){ call, n, it->errors[0], FAULT_SPELL }, PLANT_NOTHING);
	}
	for (unsigned n = 0; n < shared->uses[call] && it->type == 'd'; n += plan->every) {
		add_job((struct fault){ call, n, -ENODEV, FAULT_FOR_GOOD }, PLANT_NOTHING);
	}
}

/* On a Vulkan device all in one, since opening it takes long. */
static void sweep(const struct plan *plan) {
	size_t total = 0;
	job_count = 0;
	for (size_t i = 0; i < fault_call_count; i++) {
		if (plan->only == NULL || strcmp(plan->only, fault_calls[i].name) == 0) {
			plan_call(plan, (int)i);
		}
		if (!lab) {
			run_all();
			report_call((int)i);
			total += job_count;
			job_count = 0;
		}
	}
	if (lab) {
		run_all();
		total = job_count;
		for (size_t i = 0; i < fault_call_count; i++) {
			report_call((int)i);
		}
	}
	printf("# %zu cases\n", total);
}

/* Without a fault it ends well, and says how often each call is used. */
static bool run_plain(void) {
	job_count = 0;
	add_job((struct fault){ .call = -1 }, PLANT_NOTHING);
	run_all();
	const struct result *result = &shared->results[0];
	bool well = result->state == NOT_REACHED;
	test(well, "the story without a fault%s%s", well ? "" : ": ", result->why);
	return well;
}

static int run_case(char *words[]) {
	struct fault fault = { .call = -1, .n = (unsigned)atoi(words[1]), .error = atoi(words[2]) };
	for (size_t i = 0; i < fault_call_count; i++) {
		fault.call = strcmp(fault_calls[i].name, words[0]) == 0 ? (int)i : fault.call;
	}
	for (int i = 0; i < 3; i++) {
		fault.mode = strcmp(mode_names[i], words[3]) == 0 ? (enum fault_mode)i : fault.mode;
	}
	struct gpu *gpu = lab ? gpu_real_create() : gpu_fake_create();
	warm_up(gpu, lab ? 1 : 2);
	add_job(fault, PLANT_NOTHING);
	tell(gpu, 0);
	const struct result *result = &shared->results[0];
	printf("%s\n", result->state == WELL ? "well" : result->state == BAD ? result->why : "not reached");
	fflush(NULL);
	_exit(result->state == BAD);
}

/* To count memory to the byte: what malloc keeps in a thread's cache counts as used. */
static void do_without_cache(char *argv[]) {
	const char *name = "GLIBC_TUNABLES";
	if (getenv(name) == NULL) {
		setenv(name, "glibc.malloc.tcache_count=0", 1);
		execv("/proc/self/exe", argv);
	}
}

static bool have_devices(void) {
	int drm_fd = drm_node_open(), vgem_fd = vgem_open();
	bool have = drm_fd >= 0 && vgem_fd >= 0;
	if (drm_fd >= 0) {
		close(drm_fd);
	}
	if (vgem_fd >= 0) {
		close(vgem_fd);
	}
	return have;
}

int main(int argc, char *argv[]) {
	struct plan plan = { .errors = 8, .every = 1 };
	do_without_cache(argv);
	gpu_real_exports = argc > 1 && strcmp(argv[1], "lab-exports") == 0;
	lab = gpu_real_exports || (argc > 1 && strcmp(argv[1], "lab") == 0);
	if (lab && !have_devices()) {
		fprintf(stderr, "skipped: needs a DRM device with syncobj timelines, and vgem\n");
		return getenv("SIGNALBOX_LAB") != NULL ? 1 : 77;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 2; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--errors") == 0) {
			plan.errors = (unsigned)atoi(argv[i + 1]);
		} else if (strcmp(argv[i], "--every") == 0) {
			plan.every = (unsigned)atoi(argv[i + 1]);
		} else if (strcmp(argv[i], "--only") == 0) {
			plan.only = argv[i + 1];
		} else if (strcmp(argv[i], "--case") == 0 && i + 4 < argc) {
			return run_case(&argv[i + 1]);
		}
	}
	if (run_plain()) {
		run_controls();
		sweep(&plan);
	}
	printf("1..%u\n", tests);
	return all_well ? 0 : 1;
}
