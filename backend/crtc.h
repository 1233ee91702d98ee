/**
 * What the kernel says of the CRTC behind an output, asked past wlroots.
 *
 * wlroots takes no frame while it waits for the event of a flip, and every commit that it lets through then
 * blocks until the flip has happened. This asks whether it has, and blocks for nothing.
 */
#ifndef SBX_BACKEND_CRTC_H
#define SBX_BACKEND_CRTC_H

struct wlr_output;

enum sbx_crtc_state {
	/** It cannot be asked: not KMS, no atomic mode setting, another session's turn. */
	SBX_CRTC_UNKNOWN,
	/** What was committed is not on the screen yet. */
	SBX_CRTC_BUSY,
	/** Whatever was committed is on the screen, and what was there before is read no more. */
	SBX_CRTC_IDLE,
};

/** Ask now. `output` is switched on. */
enum sbx_crtc_state sbx_crtc_ask(struct wlr_output *output);

/** For tests: asked in place of the kernel; NULL: the kernel. */
void sbx_crtc_use(enum sbx_crtc_state (*ask)(struct wlr_output *output));

#endif
