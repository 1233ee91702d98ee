#ifndef SBX_CHECK_CLIENT_H
#define SBX_CHECK_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-client.h>

#include "check/check.h"

/**
 * One connection to the compositor, with the globals that checks use.
 *
 * A protocol error or a hang-up that the story did not announce (client_may_fail(),
 * client_expect_error()) ends the check as not met.
 */
struct client {
	struct wl_list link; /**< check.clients */
	struct check *check;
	struct wl_display *display;
	bool gone;      /**< no longer served: closed, or failed as announced */
	bool may_fail;
	bool reading;   /**< between client_prepare() and client_receive() */

	struct wl_registry *registry;
	struct wl_compositor *compositor;
	struct wl_subcompositor *subcompositor;
	struct wl_shm *shm;
	struct wl_output *output; /**< the first one */
	struct xdg_wm_base *wm_base;
	struct zwp_linux_dmabuf_v1 *dmabuf;
	uint32_t dmabuf_version;
	struct wp_linux_drm_syncobj_manager_v1 *syncobj;
	uint32_t syncobj_name;    /**< to bind it once more */
	struct wp_presentation *presentation;
	struct wp_single_pixel_buffer_manager_v1 *single_pixel;
	struct ext_output_image_capture_source_manager_v1 *output_source;
	struct ext_image_copy_capture_manager_v1 *copy_capture;
	struct wl_proxy *screencopy; /**< zwlr_screencopy_manager_v1, see screencopy.h */
	struct ext_foreign_toplevel_list_v1 *toplevels;
	struct ext_foreign_toplevel_image_capture_source_manager_v1 *toplevel_source;
};

/** Connect and bind. Ends the check if that does not work in time. */
struct client *client_open(struct check *check);
/** Same, but NULL instead of ending the check. */
struct client *client_try_open(struct check *check);
/** Disconnect without a word, as a client that ends does. */
void client_close(struct client *client);

/** Send what is queued, waiting (bounded) while the socket is full. */
void client_flush(struct client *client);
/** wl_display.sync there and back; ends the check when no answer comes in time. */
void client_roundtrip(struct client *client);
/** Same with a limit of its own; false when no answer came or the connection has failed. */
bool client_try_roundtrip(struct client *client, unsigned limit_ms);

/** From now on a protocol error or hang-up of this connection is none of the check's business. */
void client_may_fail(struct client *client);

/**
 * A protocol error must come, on this object and with one of these codes (bit n: code n).
 * Everything sent before is judged, nothing may be sent after.
 */
void client_expect_error(struct client *client, const struct wl_interface *interface,
	uint32_t id, uint32_t codes);
/** Same, or else none at all: the request was served. True if there was the error. */
bool client_expect_error_or_service(struct client *client,
	const struct wl_interface *interface, uint32_t id, uint32_t codes);

/** One more wp_linux_drm_syncobj_manager_v1. */
struct wp_linux_drm_syncobj_manager_v1 *client_bind_syncobj(struct client *client);

/** For check_wait(). */
bool client_prepare(struct client *client);
void client_receive(struct client *client);
int client_fd(const struct client *client);

#endif
