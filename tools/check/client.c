#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/client.h"
#include "check/screencopy.h"
#include "ext-foreign-toplevel-list-v1-client.h"
#include "ext-image-capture-source-v1-client.h"
#include "ext-image-copy-capture-v1-client.h"
#include "linux-dmabuf-v1-client.h"
#include "linux-drm-syncobj-v1-client.h"
#include "presentation-time-client.h"
#include "single-pixel-buffer-v1-client.h"
#include "xdg-shell-client.h"

// The compositor's own words about the last error: libwayland hands them to its log only.
static char last_log[CHECK_LINE];

static void keep_log(const char *format, va_list args) {
	vsnprintf(last_log, sizeof(last_log), format, args);
	last_log[strcspn(last_log, "\n")] = '\0';
}

struct global {
	const struct wl_interface *interface;
	uint32_t version; // the highest that we speak
	size_t offset;
};

static const struct global globals[] = {
	{ &wl_compositor_interface, 5, offsetof(struct client, compositor) },
	{ &wl_subcompositor_interface, 1, offsetof(struct client, subcompositor) },
	{ &wl_shm_interface, 1, offsetof(struct client, shm) },
	{ &wl_output_interface, 2, offsetof(struct client, output) },
	{ &xdg_wm_base_interface, 2, offsetof(struct client, wm_base) },
	{ &zwp_linux_dmabuf_v1_interface, 4, offsetof(struct client, dmabuf) },
	{ &wp_linux_drm_syncobj_manager_v1_interface, 1, offsetof(struct client, syncobj) },
	{ &wp_presentation_interface, 1, offsetof(struct client, presentation) },
	{ &wp_single_pixel_buffer_manager_v1_interface, 1, offsetof(struct client, single_pixel) },
	{ &ext_output_image_capture_source_manager_v1_interface, 1,
		offsetof(struct client, output_source) },
	{ &ext_image_copy_capture_manager_v1_interface, 1, offsetof(struct client, copy_capture) },
	{ &screencopy_manager_interface, 1, offsetof(struct client, screencopy) },
	{ &ext_foreign_toplevel_list_v1_interface, 1, offsetof(struct client, toplevels) },
	{ &ext_foreign_toplevel_image_capture_source_manager_v1_interface, 1,
		offsetof(struct client, toplevel_source) },
};

static void bind_global(struct client *client, const struct global *global, uint32_t name,
		uint32_t offered) {
	void **slot = (void **)((char *)client + global->offset);
	if (*slot) {
		return;
	}
	uint32_t version = offered < global->version ? offered : global->version;
	*slot = wl_registry_bind(client->registry, name, global->interface, version);
	if (global->interface == &zwp_linux_dmabuf_v1_interface) {
		client->dmabuf_version = version;
	} else if (global->interface == &wp_linux_drm_syncobj_manager_v1_interface) {
		client->syncobj_name = name;
	}
}

static void handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++) {
		if (strcmp(interface, globals[i].interface->name) == 0) {
			bind_global(data, &globals[i], name, version);
		}
	}
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
	// An output that goes away during a check makes the capture fail, which says so itself.
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

static void handle_ping(void *data, struct xdg_wm_base *wm_base, uint32_t serial) {
	xdg_wm_base_pong(wm_base, serial);
}

static const struct xdg_wm_base_listener wm_base_listener = { .ping = handle_ping };

struct client *client_try_open(struct check *check) {
	struct client *client = calloc(1, sizeof(*client));
	wl_log_set_handler_client(keep_log);
	client->check = check;
	client->display = wl_display_connect(NULL);
	if (!client->display) {
		free(client);
		return NULL;
	}
	wl_list_insert(check->clients.prev, &client->link);
	client->registry = wl_display_get_registry(client->display);
	wl_registry_add_listener(client->registry, &registry_listener, client);
	if (!client_try_roundtrip(client, check->env->patience_ms) || !client->compositor) {
		client_close(client);
		return NULL;
	}
	if (client->wm_base) {
		xdg_wm_base_add_listener(client->wm_base, &wm_base_listener, client);
	}
	return client;
}

struct client *client_open(struct check *check) {
	check_doing(check, "connecting");
	struct client *client = client_try_open(check);
	if (!client) {
		check_fail(check, "a new connection was not served within %u ms",
			check->env->patience_ms);
	}
	return client;
}

void client_close(struct client *client) {
	client->gone = true;
	wl_list_remove(&client->link);
	wl_list_init(&client->link);
	wl_display_disconnect(client->display);
}

int client_fd(const struct client *client) {
	return wl_display_get_fd(client->display);
}

static _Noreturn void report_failure(struct client *client) {
	if (wl_display_get_error(client->display) == EPROTO) {
		check_fail(client->check, "unexpected protocol error: %s", last_log);
	}
	check_fail(client->check, "the compositor hung up without an error (%s)",
		strerror(wl_display_get_error(client->display)));
}

// After every use of the connection: has it failed, and is that the story's wish?
static bool still_good(struct client *client) {
	if (wl_display_get_error(client->display) == 0) {
		return true;
	}
	if (!client->may_fail) {
		report_failure(client);
	}
	client->gone = true;
	return false;
}

bool client_prepare(struct client *client) {
	client->reading = false;
	if (client->gone) {
		return false;
	}
	while (wl_display_prepare_read(client->display) != 0) {
		if (wl_display_dispatch_pending(client->display) < 0) {
			still_good(client);
			return false;
		}
	}
	wl_display_flush(client->display);
	client->reading = true;
	return true;
}

void client_receive(struct client *client) {
	if (!client->reading) {
		return;
	}
	client->reading = false;
	// Does not block: nothing to read is no error.
	wl_display_read_events(client->display);
	wl_display_dispatch_pending(client->display);
	still_good(client);
}

void client_flush(struct client *client) {
	uint64_t start = now_ns();
	while (!client->gone && wl_display_flush(client->display) < 0) {
		if (errno != EAGAIN) {
			// Reading tells an error from a hang-up.
			if (client_prepare(client)) {
				client_receive(client);
			}
			still_good(client);
			return;
		}
		if (ms_since(start) > client->check->env->patience_ms) {
			check_fail(client->check, "the compositor has not read its socket for %u ms",
				client->check->env->patience_ms);
		}
		struct pollfd fd = { .fd = client_fd(client), .events = POLLOUT };
		poll(&fd, 1, 50);
	}
}

struct sync {
	struct client *client;
	bool done;
};

static void handle_sync(void *data, struct wl_callback *callback, uint32_t serial) {
	struct sync *sync = data;
	sync->done = true;
	wl_callback_destroy(callback);
}

static const struct wl_callback_listener sync_listener = { .done = handle_sync };

static bool sync_done(void *data) {
	const struct sync *sync = data;
	return sync->done || sync->client->gone;
}

bool client_try_roundtrip(struct client *client, unsigned limit_ms) {
	if (client->gone) {
		return false;
	}
	// Lives as long as the callback may: when no answer comes, to the end of the process.
	struct sync *sync = calloc(1, sizeof(*sync));
	sync->client = client;
	struct wl_callback *callback = wl_display_sync(client->display);
	wl_callback_add_listener(callback, &sync_listener, sync);
	check_wait(client->check, sync_done, sync, limit_ms);
	return sync->done;
}

void client_roundtrip(struct client *client) {
	unsigned limit_ms = client->check->env->patience_ms;
	if (!client_try_roundtrip(client, limit_ms) && !client->gone) {
		check_fail(client->check, "no answer to wl_display.sync within %u ms", limit_ms);
	}
}

void client_may_fail(struct client *client) {
	client->may_fail = true;
}

// True if the one error that was expected came, false if none did.
static bool judge_error(struct client *client, const struct wl_interface *expected,
		uint32_t expected_id, uint32_t codes) {
	struct check *check = client->check;
	int error = wl_display_get_error(client->display);
	if (error == 0) {
		return false;
	}
	if (error != EPROTO) {
		check_fail(check, "the compositor hung up instead of raising an error");
	}
	const struct wl_interface *interface = NULL;
	uint32_t id = 0;
	uint32_t code = wl_display_get_protocol_error(client->display, &interface, &id);
	if (interface != expected || code > 31 || !(codes & (1u << code))) {
		check_fail(check, "another error came: code %u on %s: %s", code,
			interface ? interface->name : "an unknown object", last_log);
	}
	if (id != expected_id) {
		check_fail(check, "the error is right but came on another object: %s#%u, not #%u",
			interface->name, id, expected_id);
	}
	return true;
}

static bool has_gone(void *data) {
	const struct client *client = data;
	return client->gone;
}

bool client_expect_error_or_service(struct client *client,
		const struct wl_interface *interface, uint32_t id, uint32_t codes) {
	struct check *check = client->check;
	client_may_fail(client);
	client_flush(client);
	// Nothing more is sent for a while: a request that meets a closed socket makes libwayland
	// forget the error that is still to be read.
	if (!check_wait(check, has_gone, client, check->env->quiet_ms)) {
		client_try_roundtrip(client, check->env->patience_ms);
	}
	return judge_error(client, interface, id, codes);
}

void client_expect_error(struct client *client, const struct wl_interface *interface,
		uint32_t id, uint32_t codes) {
	check_doing(client->check, "waiting for a protocol error on %s", interface->name);
	if (!client_expect_error_or_service(client, interface, id, codes)) {
		check_fail(client->check, "no protocol error came");
	}
}

struct wp_linux_drm_syncobj_manager_v1 *client_bind_syncobj(struct client *client) {
	return wl_registry_bind(client->registry, client->syncobj_name,
		&wp_linux_drm_syncobj_manager_v1_interface, 1);
}
