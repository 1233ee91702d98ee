#ifndef SBX_CHECK_SCREENCOPY_H
#define SBX_CHECK_SCREENCOPY_H

#include <wayland-client.h>

/**
 * The part of wlr-screencopy-unstable-v1, version 1, that a capture into shared memory needs.
 *
 * wayland-protocols does not carry this protocol, so its wire format is described here. It is
 * the way to capture on compositors that do not have ext-image-copy-capture-v1 yet.
 */
extern const struct wl_interface screencopy_manager_interface;
extern const struct wl_interface screencopy_frame_interface;

struct screencopy_frame_listener {
	void (*buffer)(void *data, struct wl_proxy *frame, uint32_t format, uint32_t width,
		uint32_t height, uint32_t stride);
	void (*flags)(void *data, struct wl_proxy *frame, uint32_t flags);
	void (*ready)(void *data, struct wl_proxy *frame, uint32_t sec_hi, uint32_t sec_lo,
		uint32_t nsec);
	void (*failed)(void *data, struct wl_proxy *frame);
};

#define SCREENCOPY_Y_INVERT 1u

/** Without the cursor. The first event is `buffer`: then call screencopy_copy(). */
struct wl_proxy *screencopy_capture(struct wl_proxy *manager, struct wl_output *output,
	const struct screencopy_frame_listener *listener, void *data);
void screencopy_copy(struct wl_proxy *frame, struct wl_buffer *buffer);
void screencopy_destroy(struct wl_proxy *frame);

#endif
