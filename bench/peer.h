/** The renderers that the bench can drive. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>

struct wlr_renderer;

/** The DRM nodes in use. */
struct bench_nodes {
	/** A render node with syncobj timelines (path, and an open fd lent), or "" and -1. */
	char render[64];
	int render_fd;
	/** Its device's primary node, or "". */
	char card[64];
};

struct bench_peer {
	/** What one types and what the table prints. */
	const char *name;
	/**
	 * Create the renderer; NULL when it does not run here. `note` is set to what a reader of the
	 * table must know, and is NULL otherwise.
	 */
	struct wlr_renderer *(*create)(const struct bench_nodes *nodes, const char **note);
	/**
	 * Say that textures and target are linear, instead of saying nothing as wlr_scene does. wlroots'
	 * Vulkan renderer then takes colours as they are, like its other renderers and like ours: one pass
	 * instead of two, and no arithmetic for encodings.
	 */
	bool linear;
	/** Takes part where pixels are measured (not in BENCH_SMALL). */
	bool pixels_only;
	/** Takes part in BENCH_SMALL alone. */
	bool small_only;
};

/** All of them, ours first; ends with a NULL name. */
extern const struct bench_peer bench_peers[];

/** Find the nodes. Without any, `render_fd` is -1. */
void bench_nodes_find(struct bench_nodes *nodes, const char *render);

#endif
