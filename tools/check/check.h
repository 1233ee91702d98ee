#ifndef SBX_CHECK_CHECK_H
#define SBX_CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <wayland-util.h>

/**
 * One check is a story told to a compositor: do, do, expect, expect nothing else.
 *
 * It runs in a process of its own, which lives for that one check. So nothing here is freed
 * (the process ends), any expectation that is not met ends the process on the spot, and no
 * function of the harness returns an error to the story: what a story calls either works or
 * ends the check with a sentence that says what happened instead.
 */
struct check;

enum check_group { CHECK_CONFORMANCE, CHECK_LATCH, CHECK_RELEASE, CHECK_ABUSE, CHECK_GROUPS };

/** Where an expectation comes from. */
enum check_kind {
	CHECK_TEXT,    /**< a sentence of linux-drm-syncobj-v1 */
	CHECK_CORE,    /**< a sentence of another protocol (wayland.xml, presentation-time) */
	CHECK_QUALITY, /**< beyond any text: what a user may ask of a good compositor */
};

struct check_case {
	const char *name;     /**< "group/what", unique */
	enum check_kind kind;
	const char *where;    /**< the request or interface that the sentence stands at, or NULL */
	const char *sentence; /**< the sentence, or for a quality the reason to ask for it */
	const char *expects;  /**< what must be seen, in one sentence */
	void (*run)(struct check *check);
	unsigned limit_s;     /**< hard time limit where 30 s are too short, else 0 */
};

#define TEXT(where_, sentence_) .kind = CHECK_TEXT, .where = (where_), .sentence = (sentence_)
#define CORE(where_, sentence_) .kind = CHECK_CORE, .where = (where_), .sentence = (sentence_)
#define QUALITY(reason_) .kind = CHECK_QUALITY, .sentence = (reason_)

/** Every check, in the order in which they run. */
const struct check_case *check_cases(size_t *count);
enum check_group check_case_group(const struct check_case *test);
const char *check_group_name(enum check_group group);
const char *check_kind_name(enum check_kind kind);

enum check_verdict {
	CHECK_MET,
	CHECK_NOT_MET,
	CHECK_SKIPPED, /**< the machine or the compositor lacks what it needs */
	CHECK_UNJUDGED, /**< the check itself could not work: our trouble, not the compositor's */
};

#define CHECK_NOTES 8
#define CHECK_LINE 400

/** Written by the process of the check, read by the runner: lives in shared memory. */
struct check_result {
	volatile enum check_verdict verdict;
	volatile bool finished;
	volatile bool slow;                /**< not met by a rate or a latency, see check_fail_slow() */
	char message[CHECK_LINE];          /**< what happened instead */
	char doing[CHECK_LINE];            /**< the last step begun: names the culprit of a time-out */
	char notes[CHECK_NOTES][CHECK_LINE]; /**< measurements */
	unsigned note_count;
};

enum buffer_kind { BUFFER_NONE, BUFFER_GBM, BUFFER_DUMB, BUFFER_UDMABUF };
enum capture_kind { CAPTURE_NONE, CAPTURE_EXT, CAPTURE_WLR };

/** What the probe found out about this machine and compositor. In shared memory too. */
struct check_env {
	bool syncobj;              /**< the compositor offers wp_linux_drm_syncobj_manager_v1 */
	char syncobj_node[64];     /**< the DRM node that timelines are made on */
	char buffer_node[64];      /**< the DRM node that buffers are made on ("" for udmabuf) */
	char vgem_node[64];        /**< "" where there is none: no pending fences */
	enum buffer_kind buffers;
	enum capture_kind capture;
	uint64_t modifier;         /**< of the buffers */
	pid_t compositor;          /**< through SO_PEERCRED; 0 if unknown */
	char compositor_name[64];
	char socket_name[108];     /**< WAYLAND_DISPLAY as we connect */
	bool resources;            /**< /proc/PID/fd of the compositor can be read */
	unsigned round_trip_us;    /**< median of wl_display.sync */
	unsigned frame_us;         /**< from commit to its frame event, median */
	unsigned capture_us;       /**< one capture */
	unsigned served_us;        /**< the second client after a check, at its best so far */
	unsigned strain;           /**< how much slower it is served now, in percent: 100 and more */
	unsigned patience_ms;      /**< how long something that must happen may take */
	unsigned quiet_ms;         /**< how long to watch for something that must not happen */
	char trouble[CHECK_LINE];  /**< why nothing can be tested, or "" */
};

const char *check_buffer_kind_name(enum buffer_kind kind);
const char *check_capture_kind_name(enum capture_kind kind);

struct check {
	const struct check_case *test;
	const struct check_env *env;
	struct check_result *result;
	struct wl_list clients; /**< every open connection; all are served while one waits */
	struct device *device;  /**< opened when first needed */
	struct capture *capture; /**< likewise */
	uint64_t random;
	unsigned colour;        /**< the next one of the palette */
};

/** Run a check in this process. Does not return: the process ends. */
_Noreturn void check_run(const struct check_case *test, const struct check_env *env,
	struct check_result *result, uint64_t seed);

/** An expectation was not met: say what happened instead. */
_Noreturn void check_fail(struct check *check, const char *format, ...) WL_PRINTF(2, 3);
/**
 * Same where it was only slower than it must be: a rate or a latency. The machine may have been
 * busy with something else, so the runner tries again before it counts.
 */
_Noreturn void check_fail_slow(struct check *check, const char *format, ...) WL_PRINTF(2, 3);
/** This machine or compositor lacks what the check needs. */
_Noreturn void check_skip(struct check *check, const char *format, ...) WL_PRINTF(2, 3);
/** The harness cannot work; says nothing about the compositor. */
_Noreturn void check_trouble(struct check *check, const char *format, ...) WL_PRINTF(2, 3);
/** Name the step that begins, for the message of a time-out. */
void check_doing(struct check *check, const char *format, ...) WL_PRINTF(2, 3);
/** Add a measurement to the report. */
void check_note(struct check *check, const char *format, ...) WL_PRINTF(2, 3);

/** A number below `below` from the check's own generator: the same for the same seed. */
unsigned check_random(struct check *check, unsigned below);

/** CLOCK_MONOTONIC. */
uint64_t now_ns(void);
unsigned ms_since(uint64_t start_ns);

/** Serve all clients until done() says true; false after limit_ms. done may be NULL. */
bool check_wait(struct check *check, bool (*done)(void *data), void *data, unsigned limit_ms);
/** Serve all clients for that long. */
void check_pause(struct check *check, unsigned ms);

/**
 * Run story(check, data) in a further process, which opens its own connections; what it fails
 * is not reported. Timelines made before are shared with it. Ended with check_kill().
 */
pid_t check_fork(struct check *check, void (*story)(struct check *check, void *data), void *data);
/** A mark that a story in another process sets: an eventfd, made before check_fork(). */
int check_mark_new(struct check *check);
void check_mark_set(int mark_fd);
/** Wait until it is set; what a slow machine does not get to is not met: "`what` within ... ms". */
void check_mark_wait(struct check *check, int mark_fd, const char *what);
/** SIGKILL, and wait until the process is gone. */
void check_kill(pid_t pid);

/** p in 0..100 of sorted values. */
unsigned percentile(const unsigned *sorted, size_t count, unsigned p);
/** Sort, and note "what: p50 .. p95 .. max" of microseconds. */
void check_note_latency(struct check *check, const char *what, unsigned *us, size_t count);

#endif
