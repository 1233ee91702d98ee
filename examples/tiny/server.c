/*
 * The parts of wlroots that make a compositor. What signalbox needs of a compositor is in
 * create_renderer() and offer_explicit_sync().
 */
#include <signalbox/renderer.h>
#include <signalbox/syncobj.h>
#include <wlr/backend.h>
#include <wlr/render/allocator.h>
#include <wlr/render/color.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/render/wlr_texture.h>
#include <wlr/types/wlr_alpha_modifier_v1.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_data_control_v1.h>
#include <wlr/types/wlr_data_device.h>
#include <wlr/types/wlr_ext_image_capture_source_v1.h>
#include <wlr/types/wlr_ext_image_copy_capture_v1.h>
#include <wlr/types/wlr_fixes.h>
#include <wlr/types/wlr_linux_dmabuf_v1.h>
#include <wlr/types/wlr_linux_drm_syncobj_v1.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_presentation_time.h>
#include <wlr/types/wlr_primary_selection_v1.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_screencopy_v1.h>
#include <wlr/types/wlr_single_pixel_buffer_v1.h>
#include <wlr/types/wlr_subcompositor.h>
#include <wlr/types/wlr_viewporter.h>
#include <wlr/util/log.h>
#include "tiny.h"

static struct wlr_renderer *create_renderer(struct tiny *tiny) {
	if (tiny->options.wlroots_renderer) {
		return wlr_renderer_autocreate(tiny->backend);
	}
	return sbx_renderer_create(tiny->backend, &(struct sbx_renderer_options){
		.device = tiny->options.device,
		.validation = tiny->options.validation,
	});
}

static void handle_renderer_lost(struct wl_listener *listener, void *data);

/*
 * The GPU is gone or was reset. A new renderer goes on where the lost one stopped: clients' textures are
 * made again with their next commits. The lost one must not be destroyed by a listener of its own.
 */
static void replace_renderer(void *data) {
	struct tiny *tiny = data;
	tiny->renderer_idle = NULL;
	struct wlr_renderer *renderer = create_renderer(tiny);
	struct wlr_allocator *allocator =
		renderer != NULL ? wlr_allocator_autocreate(tiny->backend, renderer) : NULL;
	if (allocator == NULL) {
		wlr_log(WLR_ERROR, "the renderer is lost and cannot be made again");
		wlr_renderer_destroy(renderer);
		wl_display_terminate(tiny->display);
		return;
	}
	struct wlr_renderer *lost_renderer = tiny->renderer;
	struct wlr_allocator *lost_allocator = tiny->allocator;
	tiny->renderer = renderer;
	tiny->allocator = allocator;

	tiny_unlisten(&tiny->renderer_lost);
	tiny_listen(&tiny->renderer_lost, &renderer->events.lost, handle_renderer_lost);
	wlr_compositor_set_renderer(tiny->compositor, renderer);
	tiny_outputs_init_render(tiny);
	wlr_allocator_destroy(lost_allocator);
	wlr_renderer_destroy(lost_renderer);
}

static void handle_renderer_lost(struct wl_listener *listener, void *data) {
	struct tiny *tiny = wl_container_of(listener, tiny, renderer_lost);
	if (tiny->renderer_idle == NULL) {
		tiny->renderer_idle = wl_event_loop_add_idle(tiny->loop, replace_renderer, tiny);
	}
}

static bool init_rendering(struct tiny *tiny) {
	const char *headless = tiny->options.headless;
	tiny->backend = headless != NULL ? tiny_headless_create(tiny->loop, headless) :
		wlr_backend_autocreate(tiny->loop, &tiny->session);
	if (tiny->backend == NULL) {
		wlr_log(WLR_ERROR, "no backend: neither a seat with a monitor nor a Wayland session");
		return false;
	}
	tiny->renderer = create_renderer(tiny);
	if (tiny->renderer == NULL) {
		wlr_log(WLR_ERROR, "no renderer");
		return false;
	}
	tiny_listen(&tiny->renderer_lost, &tiny->renderer->events.lost, handle_renderer_lost);
	tiny->allocator = wlr_allocator_autocreate(tiny->backend, tiny->renderer);
	if (tiny->allocator == NULL) {
		wlr_log(WLR_ERROR, "no way to allocate buffers that both renderer and outputs take");
		return false;
	}
	return tiny_color_load(tiny);
}

/*
 * Clients may attach points of drm_syncobj timelines to their commits. Ours: a commit is held until its
 * acquire point has signalled (or as --policy says), and the renderer knows by itself until when a buffer is read. With
 * another renderer (--renderer) it is wlroots' own, where the scene gives the point to the renderer,
 * which waits for it on the GPU; then both the renderer and the outputs must know how.
 */
static void offer_explicit_sync(struct tiny *tiny) {
	int drm_fd = wlr_renderer_get_drm_fd(tiny->renderer);
	if (!tiny->options.wlroots_renderer && drm_fd >= 0) {
		tiny->syncobj = sbx_syncobj_manager_create(tiny->display, 1, drm_fd,
			&(struct sbx_syncobj_options){ .policy = tiny->options.policy });
	} else if (drm_fd >= 0 && tiny->renderer->features.timeline && tiny->backend->features.timeline) {
		wlr_linux_drm_syncobj_manager_v1_create(tiny->display, 1, drm_fd);
	} else {
		wlr_log(WLR_INFO, "no explicit sync for clients: the %s cannot do it",
			tiny->renderer->features.timeline ? "backend" : "renderer");
	}
}

/*
 * Whether a client's dma-buf is any good is best asked of who will draw it, while the client can
 * still be told. Without this wlroots only asks the DRM device to import it, and what the renderer
 * cannot use (another number of planes, a stride shorter than a row) stays a black window.
 */
static bool check_dmabuf(struct wlr_dmabuf_attributes *attributes, void *data) {
	struct tiny *tiny = data;
	struct wlr_texture *texture = wlr_texture_from_dmabuf(tiny->renderer, attributes);
	if (texture == NULL) {
		return false;
	}
	wlr_texture_destroy(texture);
	return true;
}

/* Buffers in the memory of the CPU always, in that of the GPU where the renderer takes them. */
static bool offer_buffers(struct tiny *tiny) {
	if (!wlr_renderer_init_wl_shm(tiny->renderer, tiny->display)) {
		return false;
	}
	if (wlr_renderer_get_texture_formats(tiny->renderer, WLR_BUFFER_CAP_DMABUF) != NULL &&
			wlr_renderer_get_drm_fd(tiny->renderer) >= 0) {
		struct wlr_linux_dmabuf_v1 *dmabuf =
			wlr_linux_dmabuf_v1_create_with_renderer(tiny->display, 5, tiny->renderer);
		if (dmabuf == NULL) {
			return false;
		}
		wlr_linux_dmabuf_v1_set_check_dmabuf_callback(dmabuf, check_dmabuf, tiny);
		wlr_scene_set_linux_dmabuf_v1(tiny->scene, dmabuf);
	}
	wlr_single_pixel_buffer_manager_v1_create(tiny->display);
	offer_explicit_sync(tiny);
	return true;
}

/* Globals that wlroots serves alone. */
static void offer_extras(struct tiny *tiny) {
	struct wl_display *display = tiny->display;
	wlr_fixes_create(display, 1);
	wlr_subcompositor_create(display);
	wlr_data_device_manager_create(display);
	wlr_primary_selection_v1_device_manager_create(display);
	wlr_data_control_manager_v1_create(display);
	wlr_viewporter_create(display);
	wlr_alpha_modifier_v1_create(display);
	wlr_presentation_create(display, tiny->backend, 2);
	wlr_screencopy_manager_v1_create(display);
	wlr_ext_image_copy_capture_manager_v1_create(display, 1);
	wlr_ext_output_image_capture_source_manager_v1_create(display, 1);
}

static bool init_scene(struct tiny *tiny) {
	tiny->scene = wlr_scene_create();
	if (tiny->scene == NULL) {
		return false;
	}
	for (int i = 0; i < TINY_LAYER_COUNT; i++) {
		tiny->layers[i] = wlr_scene_tree_create(&tiny->scene->tree);
		if (tiny->layers[i] == NULL) {
			return false;
		}
	}
	tiny->layout = wlr_output_layout_create(tiny->display);
	tiny->scene_layout = wlr_scene_attach_output_layout(tiny->scene, tiny->layout);
	tiny->compositor = wlr_compositor_create(tiny->display, 6, tiny->renderer);
	return tiny->scene_layout != NULL && tiny->compositor != NULL;
}

bool tiny_init(struct tiny *tiny) {
	wl_list_init(&tiny->outputs);
	wl_list_init(&tiny->windows);
	wl_list_init(&tiny->keyboards);
	tiny->display = wl_display_create();
	if (tiny->display == NULL) {
		return false;
	}
	tiny->loop = wl_display_get_event_loop(tiny->display);
	if (!init_rendering(tiny) || !init_scene(tiny) || !offer_buffers(tiny) ||
			!tiny_seat_init(tiny) || !tiny_pointer_init(tiny)) {
		return false;
	}
	offer_extras(tiny);
	tiny_windows_init(tiny);
	tiny_layers_init(tiny);
	tiny_outputs_init(tiny);

	tiny->socket = wl_display_add_socket_auto(tiny->display);
	if (tiny->socket == NULL) {
		wlr_log(WLR_ERROR, "no socket for clients: is XDG_RUNTIME_DIR set?");
		return false;
	}
	if (!wlr_backend_start(tiny->backend)) {
		wlr_log(WLR_ERROR, "the backend does not start");
		return false;
	}
	return true;
}

/*
 * Clients first, while all that their surfaces hang on is there; then our ears, then what we made,
 * the youngest first. The display comes last and takes the globals along.
 */
void tiny_finish(struct tiny *tiny) {
	if (tiny->display == NULL) {
		return;
	}
	wl_display_destroy_clients(tiny->display);
	tiny_windows_finish(tiny);
	tiny_layers_finish(tiny);
	tiny_keyboards_finish(tiny);
	tiny_pointer_finish(tiny);
	tiny_seat_finish(tiny);
	tiny_outputs_finish(tiny);
	tiny_unlisten(&tiny->renderer_lost);
	if (tiny->renderer_idle != NULL) {
		wl_event_source_remove(tiny->renderer_idle);
	}
	if (tiny->scene != NULL) {
		wlr_scene_node_destroy(&tiny->scene->tree.node);
	}
	/* The outputs go with the backend and still hold buffers of the renderer and the allocator. */
	if (tiny->backend != NULL) {
		wlr_backend_destroy(tiny->backend);
	}
	wlr_allocator_destroy(tiny->allocator);
	wlr_renderer_destroy(tiny->renderer);
	wlr_color_transform_unref(tiny->color_transform);
	wl_display_destroy(tiny->display);
}
