#include <signalbox/renderer.h>
#include <stddef.h>
#include "trace/log.h"

struct wlr_renderer *sbx_renderer_create(struct wlr_backend *backend,
		const struct sbx_renderer_options *options) {
	sbx_log_error("render: this build has no renderer");
	return NULL;
}

bool sbx_renderer_is_sbx(const struct wlr_renderer *renderer) {
	return false;
}
