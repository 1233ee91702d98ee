#include <errno.h>
#include <wlr/render/dmabuf.h>
#include <wlr/types/wlr_buffer.h>
#include "backend/implicit.h"
#include "sync/dmabuf.h"
#include "sync/fd.h"
#include "sync/sync_file.h"

static int add_plane(int dmabuf_fd, int *sync_file) {
	int plane = -1;
	int ret = sbx_dmabuf_export_sync_file(dmabuf_fd, false, &plane);
	if (ret == 0) {
		ret = sbx_fence_merge(sync_file, &plane);
	}
	sbx_fd_close(&plane);
	return ret;
}

int sbx_implicit_get_fence(struct wlr_buffer *buffer, int *sync_file) {
	struct wlr_dmabuf_attributes dmabuf;
	*sync_file = -1;
	if (!wlr_buffer_get_dmabuf(buffer, &dmabuf)) {
		return 0;
	}
	for (int i = 0; i < dmabuf.n_planes; i++) {
		int ret = add_plane(dmabuf.fd[i], sync_file);
		if (ret == -ENOTSUP) {
			return 0;
		}
		if (ret < 0) {
			sbx_fd_close(sync_file);
			return ret;
		}
	}
	return 0;
}

int sbx_implicit_put_fence(struct wlr_buffer *buffer, int sync_file) {
	struct wlr_dmabuf_attributes dmabuf;
	if (!wlr_buffer_get_dmabuf(buffer, &dmabuf)) {
		return -ENOTSUP;
	}
	for (int i = 0; i < dmabuf.n_planes; i++) {
		int ret = sbx_dmabuf_import_sync_file(dmabuf.fd[i], true, sync_file);
		if (ret < 0) {
			return ret;
		}
	}
	return 0;
}
