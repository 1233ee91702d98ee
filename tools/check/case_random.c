#include "check/cases.h"
#include "check/expect.h"

// Random requests.

#define RANDOM_MS 4000
#define RANDOM_REQUESTS 200
#define RANDOM_FRAMES 4

struct scene {
	struct check *check;
	struct client *client;
	struct surface *surfaces[3]; // two windows, and a subsurface of the first
	struct frame *frames[3][RANDOM_FRAMES];
	bool careful; // nothing that a protocol forbids
};

static void scene_open(struct scene *scene) {
	scene->client = client_open(scene->check);
	client_may_fail(scene->client);
	scene->surfaces[0] = window_open(scene->client);
	scene->surfaces[1] = window_open(scene->client);
	scene->surfaces[2] = subsurface_open(scene->surfaces[0]);
	for (int i = 0; i < 3; i++) {
		scene->surfaces[i]->width = scene->surfaces[i]->height = 32;
		for (int j = 0; j < RANDOM_FRAMES; j++) {
			scene->frames[i][j] = frame_new(scene->surfaces[i]);
		}
	}
}

// The connection ends with all that it had; what this process holds goes too, or it would run out of file
// descriptors where rounds are short.
static void scene_close(struct scene *scene) {
	client_close(scene->client);
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < RANDOM_FRAMES; j++) {
			struct frame *frame = scene->frames[i][j];
			frame->buffer->wl = NULL; // went with the connection
			buffer_destroy(frame->buffer);
			timeline_destroy_handle(frame->acquire.timeline);
			timeline_destroy_handle(frame->release.timeline);
		}
	}
}

static void random_commit(struct scene *scene, int i) {
	struct frame *frame = scene->frames[i][check_random(scene->check, RANDOM_FRAMES)];
	frame_next_points(frame);
	if (check_random(scene->check, 2)) {
		frame_signal(frame);
	}
	frame_commit(frame);
}

static void random_unmap(struct scene *scene, int i) {
	struct surface *surface = scene->surfaces[i];
	surface_commit_nothing(surface);
	if (surface->toplevel && scene->careful) {
		// Mapped again only after a configure event, which waits for what is held.
		for (int j = 0; j < RANDOM_FRAMES; j++) {
			frame_signal(scene->frames[i][j]);
		}
		surface->configured = false;
		surface_commit_empty(surface);
		for (int j = 0; j < 20 && !surface->configured && !scene->client->gone; j++) {
			check_pause(scene->check, 5);
		}
	}
}

static void random_sync(struct scene *scene, int i) {
	struct surface *surface = scene->surfaces[i];
	if (surface->sync) {
		surface_destroy_sync(surface);
	}
	surface_get_sync(surface);
}

static void random_timeline(struct scene *scene, int i) {
	struct frame *frame = scene->frames[i][check_random(scene->check, RANDOM_FRAMES)];
	struct timeline *timeline =
		check_random(scene->check, 2) ? frame->acquire.timeline : frame->release.timeline;
	timeline_destroy_object(timeline);
	timeline->object = timeline_import(timeline, scene->client);
}

static void random_mode(struct scene *scene) {
	struct wl_subsurface *sub = scene->surfaces[2]->sub;
	if (check_random(scene->check, 2)) {
		wl_subsurface_set_sync(sub);
	} else {
		wl_subsurface_set_desync(sub);
	}
}

static void random_pieces(struct scene *scene, int i) {
	struct surface *surface = scene->surfaces[i];
	struct frame *frame = scene->frames[i][check_random(scene->check, RANDOM_FRAMES)];
	switch (check_random(scene->check, 5)) {
	case 0:
		surface_set_acquire(surface, frame->acquire);
		break;
	case 1:
		surface_set_release(surface, frame->release);
		break;
	case 2:
		surface_attach(surface, frame->buffer);
		break;
	case 3:
		surface_attach(surface, NULL);
		break;
	default:
		timeline_reset(frame->acquire.timeline);
	}
}

// What breaks a rule, now and then.
static void random_careless(struct scene *scene, int i) {
	switch (check_random(scene->check, 4)) {
	case 0:
	case 1:
		// Mapped again without waiting to be configured.
		random_unmap(scene, i);
		break;
	case 2:
		// Seldom: the error that follows ends the round.
		if (check_random(scene->check, 30) == 0) {
			random_pieces(scene, i);
		}
		break;
	default:
		check_pause(scene->check, check_random(scene->check, 4));
	}
}

static void random_allowed(struct scene *scene, int i) {
	switch (check_random(scene->check, 10)) {
	case 0:
		frame_signal(scene->frames[i][check_random(scene->check, RANDOM_FRAMES)]);
		break;
	case 1:
		surface_commit_empty(scene->surfaces[i]);
		break;
	case 2:
		random_unmap(scene, i);
		break;
	case 3:
		random_sync(scene, i);
		break;
	case 4:
		random_timeline(scene, i);
		break;
	case 5:
		random_mode(scene);
		break;
	default:
		random_commit(scene, i);
	}
}

static void random_request(struct scene *scene) {
	int i = (int)check_random(scene->check, 3);
	if (!scene->careful && check_random(scene->check, 4) == 0) {
		random_careless(scene, i);
	} else {
		random_allowed(scene, i);
	}
}

static void random_rounds(struct check *check, bool careful) {
	uint64_t start = now_ns();
	unsigned rounds = 0, requests = 0;
	while (ms_since(start) < RANDOM_MS) {
		struct scene scene = { .check = check, .careful = careful };
		check_doing(check, "random requests, round %u", rounds);
		scene_open(&scene);
		for (int i = 0; i < RANDOM_REQUESTS && !scene.client->gone; i++) {
			random_request(&scene);
			requests++;
		}
		client_try_roundtrip(scene.client, check->env->patience_ms);
		scene_close(&scene);
		rounds++;
	}
	check_note(check, "%u random requests in %u rounds", requests, rounds);
}

static void random_requests(struct check *check) {
	random_rounds(check, false);
}

static void random_careful(struct check *check) {
	random_rounds(check, true);
}

#define SURVIVE(why) QUALITY("no client may end the session: " why)

const struct check_case random_cases[] = {
	{ "abuse/random-careful",
		SURVIVE("what the protocols allow comes in any order"),
		"random requests that break no rule, for 4 s: lives and serves", random_careful },
	{ "abuse/random-requests",
		SURVIVE("what the protocols forbid comes too"),
		"random requests, some of them errors, for 4 s: lives and serves", random_requests },
};

const size_t random_case_count = sizeof(random_cases) / sizeof(random_cases[0]);
