#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "check/surface.h"
#include "check/witness.h"
#include "xdg-shell-client.h"

// Larger than the windows of the checks, so that they never cover it.
#define WITNESS_SIZE (2 * WINDOW_SIZE)
#define WARM_UP_FRAMES 4
#define MIN_GAP_MS 1000
#define MEASURED_TIMES 3

struct tally {
	atomic_uint frames;
	_Atomic uint64_t last_ns;
	atomic_uint longest_gap_ms;
};

struct witness {
	struct check *check;
	pid_t pid;
	struct tally *tally; // shared with the process of the witness
	double undisturbed;  // frames a second
	unsigned undisturbed_gap_ms;
};

struct painter {
	struct client *client;
	struct wl_surface *surface;
	struct buffer *buffer;
	struct tally *tally;
	bool configured, done;
	uint8_t shade;
};

static void handle_configure(void *data, struct xdg_surface *xdg, uint32_t serial) {
	struct painter *painter = data;
	xdg_surface_ack_configure(xdg, serial);
	painter->configured = true;
}

static const struct xdg_surface_listener surface_listener = { .configure = handle_configure };

static void handle_toplevel_configure(void *data, struct xdg_toplevel *toplevel,
		int32_t width, int32_t height, struct wl_array *states) {
	// A size of its own is as good for what it is for.
}

static void handle_close(void *data, struct xdg_toplevel *toplevel) {
	// It goes when the check ends.
}

static const struct xdg_toplevel_listener toplevel_listener = {
	.configure = handle_toplevel_configure,
	.close = handle_close,
};

static bool is_configured(void *data) {
	return ((struct painter *)data)->configured;
}

static bool is_done(void *data) {
	return ((struct painter *)data)->done;
}

static void handle_frame(void *data, struct wl_callback *callback, uint32_t time) {
	struct painter *painter = data;
	wl_callback_destroy(callback);
	painter->done = true;
}

static const struct wl_callback_listener frame_listener = { .done = handle_frame };

static bool painter_open(struct painter *painter, struct check *check) {
	painter->client = client_try_open(check);
	if (!painter->client || !painter->client->wm_base) {
		return false;
	}
	struct client *client = painter->client;
	painter->surface = wl_compositor_create_surface(client->compositor);
	struct xdg_surface *xdg =
		xdg_wm_base_get_xdg_surface(client->wm_base, painter->surface);
	xdg_surface_add_listener(xdg, &surface_listener, painter);
	struct xdg_toplevel *toplevel = xdg_surface_get_toplevel(xdg);
	xdg_toplevel_add_listener(toplevel, &toplevel_listener, painter);
	xdg_toplevel_set_title(toplevel, "signalbox check: second client");
	wl_surface_commit(painter->surface);
	painter->buffer = buffer_new_shm(client, WITNESS_SIZE, WITNESS_SIZE, WITNESS_SIZE * 4,
		WL_SHM_FORMAT_XRGB8888);
	return check_wait(check, is_configured, painter, check->env->patience_ms);
}

// A grey that changes, so that there is something to show.
static bool paint(struct painter *painter, unsigned limit_ms) {
	painter->shade = (uint8_t)(painter->shade + 8);
	buffer_fill_rows(painter->buffer, 0, 8, painter->shade * 0x010101u);
	wl_surface_attach(painter->surface, painter->buffer->wl, 0, 0);
	wl_surface_damage_buffer(painter->surface, 0, 0, WITNESS_SIZE, WITNESS_SIZE);
	painter->done = false;
	struct wl_callback *callback = wl_surface_frame(painter->surface);
	wl_callback_add_listener(callback, &frame_listener, painter);
	wl_surface_commit(painter->surface);
	return check_wait(painter->client->check, is_done, painter, limit_ms);
}

static void count_frame(struct tally *tally) {
	uint64_t now = now_ns();
	unsigned gap_ms = (unsigned)((now - atomic_load(&tally->last_ns)) / 1000000);
	if (gap_ms > atomic_load(&tally->longest_gap_ms)) {
		atomic_store(&tally->longest_gap_ms, gap_ms);
	}
	atomic_store(&tally->last_ns, now);
	atomic_fetch_add(&tally->frames, 1);
}

static void paint_for_ever(struct check *check, void *data) {
	struct painter painter = { .tally = data };
	if (!painter_open(&painter, check)) {
		return;
	}
	while (paint(&painter, 600000)) {
		count_frame(painter.tally);
	}
}

static bool is_warm(void *data) {
	const struct witness *witness = data;
	return atomic_load(&witness->tally->frames) >= WARM_UP_FRAMES;
}

struct witness *witness_start(struct check *check) {
	struct witness *witness = calloc(1, sizeof(*witness));
	witness->check = check;
	witness->tally = mmap(NULL, sizeof(*witness->tally), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (witness->tally == MAP_FAILED) {
		check_trouble(check, "no shared memory for the second client");
	}
	atomic_store(&witness->tally->last_ns, now_ns());
	check_doing(check, "starting a second client");
	witness->pid = check_fork(check, paint_for_ever, witness->tally);
	if (!check_wait(check, is_warm, witness, 2 * check->env->patience_ms)) {
		check_fail(check, "a second client got no frames even before the check began");
	}
	witness_longest_gap_ms(witness);
	witness->undisturbed = witness_rate(witness, 400);
	witness->undisturbed_gap_ms = witness_longest_gap_ms(witness);
	return witness;
}

void witness_stop(struct witness *witness) {
	check_kill(witness->pid);
}

double witness_rate(struct witness *witness, unsigned ms) {
	unsigned before = atomic_load(&witness->tally->frames);
	uint64_t start = now_ns();
	check_pause(witness->check, ms);
	unsigned drawn = atomic_load(&witness->tally->frames) - before;
	return drawn * 1e9 / (double)(now_ns() - start);
}

unsigned witness_longest_gap_ms(struct witness *witness) {
	struct tally *tally = witness->tally;
	unsigned running_ms = (unsigned)((now_ns() - atomic_load(&tally->last_ns)) / 1000000);
	unsigned longest_ms = atomic_exchange(&tally->longest_gap_ms, 0);
	return running_ms > longest_ms ? running_ms : longest_ms;
}

// A busy machine makes gaps of its own.
static unsigned gap_limit_ms(const struct witness *witness) {
	unsigned limit_ms = MIN_GAP_MS;
	unsigned frames_ms = witness->check->env->frame_us / 50;
	unsigned own_ms = 4 * witness->undisturbed_gap_ms;
	limit_ms = frames_ms > limit_ms ? frames_ms : limit_ms;
	return own_ms > limit_ms ? own_ms : limit_ms;
}

void expect_witness_undisturbed(struct witness *witness, unsigned ms) {
	struct check *check = witness->check;
	check_doing(check, "watching a second client's frames");
	witness_longest_gap_ms(witness);
	double rate = 0;
	unsigned gap_ms = 0;
	// A dip that passes is forgiven, a gap is not.
	for (int i = 0; i < MEASURED_TIMES && rate < witness->undisturbed / 3; i++) {
		rate = witness_rate(witness, ms);
		unsigned now_ms = witness_longest_gap_ms(witness);
		gap_ms = now_ms > gap_ms ? now_ms : gap_ms;
	}
	check_note(check, "second client: %.0f frames a second before, %.0f during, longest gap "
		"%u ms", witness->undisturbed, rate, gap_ms);
	if (rate < witness->undisturbed / 3 || gap_ms > gap_limit_ms(witness)) {
		check_fail_slow(check, "a second client went from %.0f to %.0f frames a second, with a gap "
			"of %u ms", witness->undisturbed, rate, gap_ms);
	}
}

bool witness_is_served(struct check *check) {
	struct painter painter = { 0 };
	if (!painter_open(&painter, check)) {
		return false;
	}
	return paint(&painter, check->env->patience_ms) &&
		paint(&painter, check->env->patience_ms);
}
