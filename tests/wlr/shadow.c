/*
 * Dma-bufs of another device: the driver refuses their memory (lavapipe takes all, so the fault layer does it in
 * its place), and the CPU copies them. The fences are vgem's: pending until the test signals them.
 */
#include "rig.h"

#include <errno.h>
#include <libdrm/drm.h>
#include <linux/dma-buf.h>
#include <string.h>
#include <unistd.h>
#include "harness/kernel_fake.h"
#include "harness/output.h"
#include "harness/vgem.h"
#include "harness/vulkan_fault.h"
#include "loan/screen.h"
#include "render/device.h"
#include "render/wlr/buffer.h"
#include "render/wlr/shadow.h"
#include "render/wlr/texture.h"
#include "trace/counter.h"

#define RED 0xffff0000u
#define GREEN 0xff00ff00u
#define BLUE 0xff0000ffu
#define BEHIND 0xff808080u
#define SIZE 32

static bool refusing;

static bool refuse_memory(const char *name, VkResult *result) {
	*result = VK_ERROR_INVALID_EXTERNAL_HANDLE;
	return refusing && strcmp(name, "vkGetMemoryFdPropertiesKHR") == 0;
}

static int setup(void **state) {
	int ret = rig_setup(state);
	if (ret == 0) {
		struct rig *rig = *state;
		vulkan_fault_install(rig->sbx->device);
		vulkan_fault_choose(refuse_memory);
		kernel_fake_install();
	}
	return ret;
}

static int teardown(void **state) {
	kernel_fake_remove();
	vulkan_fault_remove();
	refusing = false;
	return rig_teardown(state);
}

#define SHADOW_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static struct rig_buffer *filled(uint32_t pixel) {
	struct rig_buffer *buffer = rig_buffer_create(SIZE, SIZE, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	rig_buffer_fill(buffer, pixel);
	return buffer;
}

/* As a compositor's own device would: its memory is another's. */
static struct wlr_texture *foreign_texture(struct rig *rig, struct rig_buffer *buffer) {
	refusing = true;
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &buffer->base);
	refusing = false;
	return texture;
}

/* What wlr_surface does: say what has changed, then ask for a texture of the new buffer. */
static struct wlr_texture *succeed(struct rig *rig, struct wlr_texture *before, struct rig_buffer *next,
		const pixman_box32_t *changed) {
	pixman_region32_t damage;
	pixman_region32_init_with_extents(&damage, changed);
	assert_false(wlr_texture_update_from_buffer(before, &next->base, &damage));
	pixman_region32_fini(&damage);
	return foreign_texture(rig, next);
}

static const pixman_box32_t middle = { 8, 8, 12, 12 };

/*
 * The texture over a grey target, opaque. A pipeline that is used for the first time is compiled, which on a busy
 * machine takes longer than a pass waits.
 */
static struct rig_buffer *draw(struct rig *rig, struct wlr_texture *texture,
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point) {
	struct rig_buffer *target = filled(BEHIND);
	if (!rig_draw(rig, target, texture, timeline, point)) {
		rig_finish(rig);
		assert_true(rig_draw(rig, target, texture, timeline, point));
	}
	rig_finish(rig);
	return target;
}

static uint32_t drawn_pixel(struct rig *rig, struct wlr_texture *texture, uint32_t x, uint32_t y) {
	struct rig_buffer *target = draw(rig, texture, NULL, 0);
	uint32_t pixel = rig_buffer_pixel(target, x, y) | 0xff000000u;
	rig_buffer_drop(target);
	return pixel;
}

static uint32_t waited_pixel(struct rig *rig, struct wlr_texture *texture, uint64_t point) {
	struct rig_buffer *target = draw(rig, texture, rig->timeline, point);
	uint32_t pixel = rig_buffer_pixel(target, 3, 3) | 0xff000000u;
	rig_buffer_drop(target);
	return pixel;
}

static void refused_memory_is_copied(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RED);
	struct wlr_texture *texture = foreign_texture(rig, buffer);
	assert_non_null(texture);
	assert_int_equal(buffer->base.n_locks, 1);
	assert_int_equal(drawn_pixel(rig, texture, 1, 1), RED);
	/* It is a copy, made once: nobody has said that the buffer has changed. */
	uint64_t copies = sbx_counter_read(SBX_COUNT_COPIES);
	rig_buffer_fill(buffer, GREEN);
	assert_int_equal(drawn_pixel(rig, texture, 1, 1), RED);
	assert_int_equal(sbx_counter_read(SBX_COUNT_COPIES), copies);
	wlr_texture_destroy(texture);
	assert_int_equal(buffer->base.n_locks, 0);
	assert_int_equal(buffer->releases, 1);
	rig_buffer_drop(buffer);
	assert_int_equal(wl_list_length(&rig->sbx->buffers), 0);
	assert_int_equal(rig_log_count("are copied by the CPU"), 1);
	assert_int_equal(rig_log_count("cannot have this memory"), 1);
}

/* A client that says that little has changed is believed: the rest is not read. */
static void only_damage_is_copied(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffers[2] = { filled(RED), filled(GREEN) };
	struct wlr_texture *first = foreign_texture(rig, buffers[0]);
	assert_int_equal(drawn_pixel(rig, first, 8, 8), RED);
	struct sbx_image *image = sbx_texture_image(sbx_texture_from_wlr(first));
	struct wlr_texture *second = succeed(rig, first, buffers[1], &middle);
	assert_ptr_equal(sbx_texture_image(sbx_texture_from_wlr(second)), image);
	wlr_texture_destroy(first);
	assert_int_equal(buffers[0]->base.n_locks, 0);
	assert_int_equal(drawn_pixel(rig, second, 7, 7), RED);
	assert_int_equal(drawn_pixel(rig, second, 8, 8), GREEN);
	assert_int_equal(drawn_pixel(rig, second, 11, 11), GREEN);
	assert_int_equal(drawn_pixel(rig, second, 12, 12), RED);
	/* And back to the first, as clients with two buffers do. */
	rig_buffer_fill(buffers[0], BLUE);
	struct wlr_texture *third = succeed(rig, second, buffers[0], &(pixman_box32_t){ 0, 0, 4, 4 });
	wlr_texture_destroy(second);
	assert_ptr_equal(sbx_texture_image(sbx_texture_from_wlr(third)), image);
	assert_int_equal(drawn_pixel(rig, third, 0, 0), BLUE);
	assert_int_equal(drawn_pixel(rig, third, 8, 8), GREEN);
	assert_int_equal(drawn_pixel(rig, third, 12, 12), RED);
	wlr_texture_destroy(third);
	rig_buffer_drop(buffers[0]);
	rig_buffer_drop(buffers[1]);
}

/* What was not drawn before the next commit is not forgotten. */
static void damage_adds_up(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffers[3] = { filled(RED), filled(GREEN), filled(GREEN) };
	struct wlr_texture *first = foreign_texture(rig, buffers[0]);
	assert_int_equal(drawn_pixel(rig, first, 8, 8), RED);
	struct wlr_texture *second = succeed(rig, first, buffers[1], &middle);
	wlr_texture_destroy(first);
	struct wlr_texture *third = succeed(rig, second, buffers[2], &(pixman_box32_t){ 0, 0, 4, 4 });
	wlr_texture_destroy(second);
	assert_int_equal(drawn_pixel(rig, third, 0, 0), GREEN);
	assert_int_equal(drawn_pixel(rig, third, 8, 8), GREEN);
	assert_int_equal(drawn_pixel(rig, third, 20, 20), RED);
	wlr_texture_destroy(third);
	for (int i = 0; i < 3; i++) {
		rig_buffer_drop(buffers[i]);
	}
}

static void same_buffer_is_copied_where_it_changed(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RED);
	struct wlr_texture *first = foreign_texture(rig, buffer);
	assert_int_equal(drawn_pixel(rig, first, 8, 8), RED);
	rig_buffer_fill(buffer, GREEN);
	struct wlr_texture *second = succeed(rig, first, buffer, &middle);
	assert_ptr_equal(first, second);
	wlr_texture_destroy(first);
	assert_int_equal(drawn_pixel(rig, second, 8, 8), GREEN);
	assert_int_equal(drawn_pixel(rig, second, 12, 12), RED);
	wlr_texture_destroy(second);
	rig_buffer_drop(buffer);
}

/* Of a buffer on two surfaces nobody knows what each of them showed before. */
static void shared_buffer_is_copied_whole(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RED);
	struct wlr_texture *one = foreign_texture(rig, buffer), *other = foreign_texture(rig, buffer);
	assert_int_equal(drawn_pixel(rig, one, 8, 8), RED);
	rig_buffer_fill(buffer, GREEN);
	struct wlr_texture *again = succeed(rig, one, buffer, &middle);
	assert_int_equal(drawn_pixel(rig, other, 20, 20), GREEN);
	wlr_texture_destroy(one);
	wlr_texture_destroy(other);
	wlr_texture_destroy(again);
	rig_buffer_drop(buffer);
}

static void new_texture_is_copied_whole(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RED), *other = filled(BLUE);
	struct wlr_texture *texture = foreign_texture(rig, buffer);
	assert_int_equal(drawn_pixel(rig, texture, 8, 8), RED);
	wlr_texture_destroy(texture);
	rig_buffer_fill(buffer, GREEN);
	texture = foreign_texture(rig, buffer);
	assert_int_equal(drawn_pixel(rig, texture, 20, 20), GREEN);
	/* What was said of another buffer, which went, counts for none. */
	pixman_region32_t damage;
	pixman_region32_init_with_extents(&damage, &middle);
	assert_false(wlr_texture_update_from_buffer(texture, &other->base, &damage));
	pixman_region32_fini(&damage);
	rig_buffer_drop(other);
	other = filled(BLUE);
	struct wlr_texture *next = foreign_texture(rig, other);
	assert_int_equal(drawn_pixel(rig, next, 20, 20), BLUE);
	wlr_texture_destroy(next);
	wlr_texture_destroy(texture);
	rig_buffer_drop(other);
	rig_buffer_drop(buffer);
}

/* A snapshot of a window keeps the texture that its surface has left. */
static void texture_left_behind_is_copied_again(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *before = filled(RED), *after = filled(GREEN);
	struct wlr_texture *kept = foreign_texture(rig, before);
	assert_int_equal(drawn_pixel(rig, kept, 8, 8), RED);
	struct wlr_texture *next = succeed(rig, kept, after, &middle);
	assert_int_equal(drawn_pixel(rig, kept, 8, 8), RED);
	assert_int_equal(drawn_pixel(rig, next, 8, 8), GREEN);
	wlr_texture_destroy(kept);
	wlr_texture_destroy(next);
	rig_buffer_drop(before);
	rig_buffer_drop(after);
}

/* Fences */

static void materialise(struct rig *rig, int vgem, uint64_t point, struct vgem_fence *fence) {
	int sync_file = -1;
	assert_int_equal(vgem_fence_create(vgem, fence, &sync_file), 0);
	assert_true(wlr_drm_syncobj_timeline_import_sync_file(rig->timeline, point, sync_file));
	close(sync_file);
}

static void pending_point_shows_what_was_before(void **state) {
	struct rig *rig = *state;
	struct vgem_fence fences[2];
	int vgem = vgem_open();
	struct rig_buffer *first = filled(RED), *second = filled(RED);
	materialise(rig, vgem, 1, &fences[0]);
	materialise(rig, vgem, 2, &fences[1]);
	struct wlr_texture *texture = foreign_texture(rig, first);
	/* Nothing was before. */
	uint64_t copies = sbx_counter_read(SBX_COUNT_COPIES);
	assert_int_equal(waited_pixel(rig, texture, 1), BEHIND);
	assert_int_equal(sbx_counter_read(SBX_COUNT_COPIES), copies);
	rig_buffer_fill(first, GREEN);
	assert_int_equal(vgem_fence_signal(&fences[0]), 0);
	assert_int_equal(waited_pixel(rig, texture, 1), GREEN);
	struct wlr_texture *next = succeed(rig, texture, second, &(pixman_box32_t){ 0, 0, SIZE, SIZE });
	wlr_texture_destroy(texture);
	assert_int_equal(waited_pixel(rig, next, 2), GREEN);
	rig_buffer_fill(second, BLUE);
	assert_int_equal(vgem_fence_signal(&fences[1]), 0);
	assert_int_equal(waited_pixel(rig, next, 2), BLUE);
	wlr_texture_destroy(next);
	rig_buffer_drop(first);
	rig_buffer_drop(second);
	close(vgem);
}

/* The control: who copies before the fence shows what is not finished. */
static void without_the_fence_the_unfinished_shows(void **state) {
	struct rig *rig = *state;
	struct vgem_fence fence;
	int vgem = vgem_open();
	struct rig_buffer *buffer = filled(RED);
	materialise(rig, vgem, 1, &fence);
	struct wlr_texture *texture = foreign_texture(rig, buffer);
	assert_int_equal(drawn_pixel(rig, texture, 3, 3), RED);
	rig_buffer_fill(buffer, GREEN);
	assert_int_equal(vgem_fence_signal(&fence), 0);
	assert_int_equal(waited_pixel(rig, texture, 1), RED);
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
	close(vgem);
}

static void unmaterialised_point_shows_nothing(void **state) {
	struct rig *rig = *state;
	rig_log_expect("client bug: cannot wait for acquire point 7");
	struct rig_buffer *buffer = filled(RED);
	struct wlr_texture *texture = foreign_texture(rig, buffer);
	assert_int_equal(waited_pixel(rig, texture, 7), BEHIND);
	assert_true(wlr_drm_syncobj_timeline_signal(rig->timeline, 7));
	assert_int_equal(waited_pixel(rig, texture, 7), RED);
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
}

static void failed_fence_shows_nothing(void **state) {
	struct rig *rig = *state;
	rig_log_expect("client bug: cannot wait for acquire point 1");
	struct rig_buffer *buffer = filled(RED);
	struct wlr_texture *texture = foreign_texture(rig, buffer);
	assert_true(wlr_drm_syncobj_timeline_signal(rig->timeline, 1));
	kernel_fake.fence_error = -EIO;
	assert_int_equal(waited_pixel(rig, texture, 1), BEHIND);
	kernel_fake.fence_error = 0;
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
}

/* A buffer of vgem, with a fence of its own. */
struct implicit {
	int vgem, fence;
	uint32_t handle;
	struct rig_buffer *buffer;
};

static void implicit_init(struct implicit *implicit, uint32_t pixel) {
	int fd = -1;
	implicit->vgem = vgem_open();
	assert_int_equal(vgem_buffer_create(implicit->vgem, &implicit->handle, &fd), 0);
	implicit->buffer = rig_buffer_wrap(SIZE, SIZE, DRM_FORMAT_XRGB8888, &fd);
	rig_buffer_fill(implicit->buffer, pixel);
	implicit->fence = vgem_buffer_attach(implicit->vgem, implicit->handle, true);
	assert_true(implicit->fence >= 0);
}

static void implicit_finish(struct implicit *implicit) {
	rig_buffer_drop(implicit->buffer);
	vgem_buffer_destroy(implicit->vgem, implicit->handle);
	close(implicit->vgem);
}

static void implicit_writer_is_not_waited_for(void **state) {
	struct rig *rig = *state;
	struct implicit implicit;
	implicit_init(&implicit, RED);
	struct wlr_texture *texture = foreign_texture(rig, implicit.buffer);
	assert_int_equal(drawn_pixel(rig, texture, 3, 3), BEHIND);
	uint32_t pixel = 0;
	const struct wlr_texture_read_pixels_options options = {
		.data = &pixel, .format = DRM_FORMAT_XRGB8888, .stride = 4,
		.src_box = { .x = 3, .y = 3, .width = 1, .height = 1 },
	};
	assert_false(wlr_texture_read_pixels(texture, &options));
	rig_buffer_fill(implicit.buffer, GREEN);
	assert_int_equal(vgem_attached_signal(implicit.vgem, (uint32_t)implicit.fence), 0);
	assert_true(wlr_texture_read_pixels(texture, &options));
	assert_int_equal(pixel | 0xff000000u, GREEN);
	assert_int_equal(drawn_pixel(rig, texture, 3, 3), GREEN);
	wlr_texture_destroy(texture);
	implicit_finish(&implicit);
}

struct ear {
	unsigned damages;
	struct wl_listener damage;
};

static void handle_damage(struct wl_listener *listener, void *data) {
	struct ear *ear = wl_container_of(listener, ear, damage);
	ear->damages++;
}

/* Nobody would draw again by himself: what was damaged has been drawn, with what was before. */
static void outputs_are_drawn_again_when_it_is_done(void **state) {
	struct rig *rig = *state;
	struct wl_event_loop *loop = wl_event_loop_create();
	struct test_output output;
	struct ear ear = { .damage.notify = handle_damage };
	test_output_create(&output, loop, 60000);
	wl_signal_add(&output.base.events.damage, &ear.damage);
	sbx_screen_watch(&output.base);
	rig->sbx->event_loop = loop;
	struct implicit implicit;
	implicit_init(&implicit, RED);
	struct wlr_texture *texture = foreign_texture(rig, implicit.buffer);
	assert_int_equal(drawn_pixel(rig, texture, 3, 3), BEHIND);
	assert_int_equal(drawn_pixel(rig, texture, 3, 3), BEHIND);
	wl_event_loop_dispatch(loop, 0);
	assert_int_equal(ear.damages, 0);
	assert_int_equal(vgem_attached_signal(implicit.vgem, (uint32_t)implicit.fence), 0);
	wl_event_loop_dispatch(loop, 1000);
	assert_int_equal(ear.damages, 1);
	wl_event_loop_dispatch(loop, 0);
	assert_int_equal(ear.damages, 1);
	assert_int_equal(drawn_pixel(rig, texture, 3, 3), RED);
	/* And one that goes while it is waited for. */
	implicit.fence = vgem_buffer_attach(implicit.vgem, implicit.handle, true);
	wlr_texture_destroy(texture);
	texture = foreign_texture(rig, implicit.buffer);
	assert_int_equal(drawn_pixel(rig, texture, 3, 3), RED); // what it showed before
	wlr_texture_destroy(texture);
	implicit_finish(&implicit);
	wl_list_remove(&ear.damage.link);
	test_output_destroy(&output);
	rig->sbx->event_loop = NULL;
	wl_event_loop_destroy(loop);
}

/* Refused */

static void expect_refused(struct rig *rig, struct rig_buffer *buffer) {
	unsigned fds = rig_open_fds();
	assert_null(foreign_texture(rig, buffer));
	refusing = true;
	assert_null(wlr_texture_from_dmabuf(rig->renderer, &buffer->dmabuf)); // a check of clients' buffers
	refusing = false;
	assert_int_equal(buffer->base.n_locks, 0);
	assert_int_equal(rig_settled_fds(fds), fds);
	assert_int_equal(wl_list_length(&rig->sbx->textures), 0);
	assert_int_equal(wl_list_length(&rig->sbx->buffers), 0);
}

static void what_cannot_be_mapped_is_refused(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RED);
	kernel_fake.map_error = -EINVAL;
	expect_refused(rig, buffer);
	kernel_fake.map_error = 0;
	kernel_fake.dup_error = -EMFILE;
	expect_refused(rig, buffer);
	kernel_fake.dup_error = 0;
	buffer->dmabuf.modifier = I915_FORMAT_MOD_X_TILED;
	expect_refused(rig, buffer);
	buffer->dmabuf.modifier = DRM_FORMAT_MOD_INVALID;
	expect_refused(rig, buffer);
	buffer->dmabuf.modifier = DRM_FORMAT_MOD_LINEAR;
	buffer->dmabuf.stride[0] = 4 * SIZE - 4;
	expect_refused(rig, buffer);
	buffer->dmabuf.stride[0] = 4 * SIZE;
	buffer->dmabuf.offset[0] = 4096;
	expect_refused(rig, buffer);
	buffer->dmabuf.offset[0] = 0;
	rig_buffer_drop(buffer);
}

/* Targets */

/* Green in the middle of what is there, told by point `point`. */
static bool draw_middle(struct rig *rig, struct rig_buffer *target, struct wlr_texture *behind, uint64_t point) {
	refusing = true;
	struct wlr_render_pass *pass = wlr_renderer_begin_buffer_pass(rig->renderer, &target->base,
		&(struct wlr_buffer_pass_options){ .signal_timeline = rig->timeline, .signal_point = point });
	refusing = false;
	if (pass == NULL) {
		return false;
	}
	if (behind != NULL) {
		wlr_render_pass_add_texture(pass, &(struct wlr_render_texture_options){
			.texture = behind, .wait_timeline = rig->timeline, .wait_point = 1,
		});
	}
	wlr_render_pass_add_rect(pass, &(struct wlr_render_rect_options){
		.box = { 8, 8, 4, 4 }, .color = { 0, 1, 0, 1 },
	});
	return wlr_render_pass_submit(pass);
}

static bool is_signalled(struct rig *rig, uint64_t point) {
	bool signalled = false;
	assert_true(wlr_drm_syncobj_timeline_check(rig->timeline, point,
		DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, &signalled));
	return signalled;
}

static void target_is_copied_back(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *target = filled(RED);
	assert_true(draw_middle(rig, target, NULL, 1));
	assert_true(is_signalled(rig, 1));
	assert_int_equal(rig_buffer_pixel(target, 9, 9) | 0xff000000u, GREEN);
	assert_int_equal(rig_buffer_pixel(target, 7, 7) | 0xff000000u, RED);
	assert_int_equal(rig_log_count("linear targets that"), 1);
	/* What another renderer would see is what is in the buffer. */
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &target->base);
	assert_int_equal(drawn_pixel(rig, texture, 9, 9), GREEN);
	wlr_texture_destroy(texture);
	rig_buffer_drop(target);
}

/* A texture that was copied becomes a target that is. */
static void copied_texture_becomes_a_target(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *buffer = filled(RED);
	struct wlr_texture *texture = foreign_texture(rig, buffer);
	assert_int_equal(drawn_pixel(rig, texture, 9, 9), RED);
	assert_true(draw_middle(rig, buffer, NULL, 1));
	assert_int_equal(drawn_pixel(rig, texture, 9, 9), GREEN);
	assert_int_equal(drawn_pixel(rig, texture, 7, 7), RED);
	wlr_texture_destroy(texture);
	rig_buffer_drop(buffer);
}

/* Nothing is told before the buffer has it: here the GPU waits for a client, longer than a pass may. */
static void target_is_not_told_early(void **state) {
	struct rig *rig = *state;
	struct vgem_fence fence;
	int vgem = vgem_open();
	rig_log_expect("kernel: ");
	struct rig_buffer *content = filled(BLUE), *target = filled(RED);
	struct wlr_texture *texture = wlr_texture_from_buffer(rig->renderer, &content->base);
	materialise(rig, vgem, 1, &fence);
	assert_false(draw_middle(rig, target, texture, 2));
	assert_false(is_signalled(rig, 2));
	assert_int_equal(rig_buffer_pixel(target, 9, 9) | 0xff000000u, RED);
	assert_int_equal(vgem_fence_signal(&fence), 0);
	rig_finish(rig);
	/* The next frame is whole, and the point that was promised comes with it. */
	assert_true(draw_middle(rig, target, texture, 3));
	assert_true(is_signalled(rig, 2));
	assert_int_equal(rig_buffer_pixel(target, 9, 9) | 0xff000000u, GREEN);
	assert_int_equal(rig_buffer_pixel(target, 7, 7) | 0xff000000u, BLUE);
	wlr_texture_destroy(texture);
	rig_buffer_drop(content);
	rig_buffer_drop(target);
	close(vgem);
}

static void target_that_cannot_be_mapped_is_refused(void **state) {
	struct rig *rig = *state;
	struct rig_buffer *target = filled(RED);
	kernel_fake.map_error = -EINVAL;
	assert_false(draw_middle(rig, target, NULL, 1));
	kernel_fake.map_error = 0;
	assert_int_equal(target->base.n_locks, 0);
	assert_true(draw_middle(rig, target, NULL, 1));
	rig_buffer_drop(target);
}

/* Faults */

/* Whatever fails, there is no texture, or it shows nothing or the right thing. */
static bool try(struct rig *rig, struct rig_buffer *buffer, struct rig_buffer *target) {
	struct wlr_texture *texture = foreign_texture(rig, buffer);
	bool drawn = texture != NULL && rig_draw(rig, target, texture, NULL, 0);
	if (texture != NULL) {
		wlr_texture_destroy(texture);
	}
	return drawn;
}

static void each_system_call_fails(void **state) {
	struct rig *rig = *state;
	rig_log_expect("kernel: ");
	struct rig_buffer *target = filled(BEHIND), *buffer = filled(RED);
	assert_true(try(rig, buffer, target));
	rig_buffer_drop(buffer);
	unsigned failed = 0;
	for (bool more = true; more;) {
		buffer = filled(RED);
		unsigned fds = rig_open_fds();
		rig_buffer_fill(target, BEHIND);
		kernel_fake_fail(failed, -ENOMEM);
		try(rig, buffer, target);
		more = kernel_fake_failed();
		rig_finish(rig);
		uint32_t pixel = rig_buffer_pixel(target, 3, 3) | 0xff000000u;
		assert_true(pixel == RED || pixel == BEHIND);
		assert_int_equal(buffer->base.n_locks, 0);
		rig_buffer_drop(buffer);
		assert_true(rig_settled_fds(fds) <= fds);
		failed += more;
	}
	assert_true(failed >= 5); // dup, map, poll, begin and end of access
	rig_buffer_drop(target);
}

static void each_vulkan_call_fails(void **state) {
	struct rig *rig = *state;
	rig_log_expect("driver: ");
	struct rig_buffer *target = filled(BEHIND), *buffer = filled(RED);
	assert_true(try(rig, buffer, target));
	rig_buffer_drop(buffer);
	unsigned failed = 0;
	for (bool more = true; more;) {
		buffer = filled(RED);
		vulkan_fault_fail(failed, VK_ERROR_OUT_OF_DEVICE_MEMORY);
		struct wlr_texture *texture = foreign_texture(rig, buffer);
		const char *name = NULL;
		vulkan_fault_happened(&name);
		more = strcmp(name, "vkGetMemoryFdPropertiesKHR") != 0; // that fails by itself
		vulkan_fault_stop();
		if (texture != NULL) {
			assert_int_equal(drawn_pixel(rig, texture, 3, 3), RED);
			wlr_texture_destroy(texture);
		}
		assert_int_equal(buffer->base.n_locks, 0);
		rig_buffer_drop(buffer);
		failed += more;
	}
	assert_true(failed >= 4);
	rig_buffer_drop(target);
}

/* Formats */

/* Planes behind one another, in one buffer, with an odd size where that can be. */
static struct rig_buffer *picture(uint32_t format, int n_planes, const uint32_t strides[static 3],
		const uint32_t offsets[static 3]) {
	struct rig_buffer *buffer = rig_buffer_create(SIZE, SIZE * 4, DRM_FORMAT_XRGB8888, RIG_DMABUF);
	unsigned seed = 1;
	for (size_t i = 0; i < buffer->size / 4; i++) {
		seed = seed * 1103515245 + 12345;
		buffer->pixels[i] = seed ^ seed >> 15;
	}
	buffer->base.height = buffer->dmabuf.height = SIZE;
	buffer->dmabuf.format = format;
	buffer->dmabuf.n_planes = n_planes;
	for (int i = 0; i < n_planes; i++) {
		buffer->dmabuf.fd[i] = i == 0 ? buffer->dmabuf.fd[0] : dup(buffer->dmabuf.fd[0]);
		buffer->dmabuf.stride[i] = strides[i];
		buffer->dmabuf.offset[i] = offsets[i];
	}
	return buffer;
}

/* The copy looks as the import does, all of it and where it was damaged. */
static void formats_are_copied(void **state) {
	struct rig *rig = *state;
	static const struct {
		uint32_t format;
		int planes;
		uint32_t strides[3], offsets[3];
	} cases[] = {
		{ DRM_FORMAT_ARGB8888, 1, { SIZE * 4 + 64 }, { 128 } },
		{ DRM_FORMAT_RGB565, 1, { SIZE * 2 }, { 0 } },
		{ DRM_FORMAT_ABGR16161616F, 1, { SIZE * 8 }, { 0 } },
		{ DRM_FORMAT_NV12, 2, { SIZE, SIZE }, { 0, SIZE * SIZE } },
		{ DRM_FORMAT_YUV420, 3, { SIZE, SIZE / 2, SIZE / 2 }, { 0, SIZE * SIZE, SIZE * SIZE * 2 } },
		{ DRM_FORMAT_YUYV, 1, { SIZE * 2 }, { 64 } },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig_buffer *buffer = picture(cases[i].format, cases[i].planes, cases[i].strides,
			cases[i].offsets);
		struct rig_buffer *blank = picture(cases[i].format, cases[i].planes, cases[i].strides,
			cases[i].offsets);
		memset(blank->pixels, 0, blank->size);
		struct wlr_texture *imported = wlr_texture_from_buffer(rig->renderer, &buffer->base);
		assert_non_null(imported);
		struct rig_buffer *expected = draw(rig, imported, NULL, 0);
		wlr_texture_destroy(imported);
		rig->sbx->idle_import_ns = 0;
		sbx_wlr_buffer_drop_idle(rig->sbx);
		rig->sbx->idle_import_ns = INT64_MAX;
		struct wlr_texture *before = foreign_texture(rig, blank);
		assert_non_null(before);
		rig_buffer_drop(draw(rig, before, NULL, 0));
		struct wlr_texture *copied = succeed(rig, before, buffer, &(pixman_box32_t){ 5, 3, 19, SIZE });
		assert_non_null(copied);
		struct rig_buffer *seen = draw(rig, copied, NULL, 0);
		for (uint32_t y = 4; y < SIZE; y++) {
			for (uint32_t x = 6; x < 18; x++) {
				assert_int_equal(rig_buffer_pixel(seen, x, y), rig_buffer_pixel(expected, x, y));
			}
		}
		assert_true(rig_buffer_pixel(seen, 28, 1) != rig_buffer_pixel(expected, 28, 1));
		wlr_texture_destroy(before);
		wlr_texture_destroy(copied);
		rig_buffer_drop(seen);
		rig_buffer_drop(expected);
		rig_buffer_drop(buffer);
		rig_buffer_drop(blank);
	}
}

static uint32_t shown_pixel(struct rig *rig, struct wlr_texture *texture) {
	return drawn_pixel(rig, texture, 16, 16);
}

/* Of several planes some may be new, some not: nothing is better. One plane has all of a copy or nothing. */
static void what_fails_half_way_is_not_shown(void **state) {
	struct rig *rig = *state;
	static const uint32_t strides[2][3] = { { SIZE * 4 }, { SIZE, SIZE } }, offsets[3] = { 0, SIZE * SIZE };
	for (int planes = 1; planes <= 2; planes++) {
		uint32_t format = planes == 1 ? DRM_FORMAT_XRGB8888 : DRM_FORMAT_NV12;
		struct rig_buffer *first = picture(format, planes, strides[planes - 1], offsets);
		struct rig_buffer *next = picture(format, planes, strides[planes - 1], offsets);
		memset(next->pixels, 0x40, next->size);
		struct wlr_texture *before = foreign_texture(rig, first);
		assert_non_null(before);
		uint32_t old = shown_pixel(rig, before);
		assert_int_not_equal(old, BEHIND);
		struct wlr_texture *texture = succeed(rig, before, next, &(pixman_box32_t){ 0, 0, SIZE, SIZE });
		assert_non_null(texture);
		rig_log_expect("cannot be copied");
		kernel_fake.broken_request = DMA_BUF_IOCTL_SYNC;
		kernel_fake.broken_error = -ENOMEM;
		assert_int_equal(shown_pixel(rig, texture), planes == 1 ? old : BEHIND);
		kernel_fake.broken_request = 0;
		uint32_t new = shown_pixel(rig, texture);
		assert_true(new != old && new != BEHIND);
		wlr_texture_destroy(before);
		wlr_texture_destroy(texture);
		rig_buffer_drop(first);
		rig_buffer_drop(next);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		SHADOW_TEST(refused_memory_is_copied),
		SHADOW_TEST(only_damage_is_copied),
		SHADOW_TEST(damage_adds_up),
		SHADOW_TEST(same_buffer_is_copied_where_it_changed),
		SHADOW_TEST(shared_buffer_is_copied_whole),
		SHADOW_TEST(new_texture_is_copied_whole),
		SHADOW_TEST(texture_left_behind_is_copied_again),
		SHADOW_TEST(pending_point_shows_what_was_before),
		SHADOW_TEST(without_the_fence_the_unfinished_shows),
		SHADOW_TEST(unmaterialised_point_shows_nothing),
		SHADOW_TEST(failed_fence_shows_nothing),
		SHADOW_TEST(implicit_writer_is_not_waited_for),
		SHADOW_TEST(outputs_are_drawn_again_when_it_is_done),
		SHADOW_TEST(what_cannot_be_mapped_is_refused),
		SHADOW_TEST(target_is_copied_back),
		SHADOW_TEST(copied_texture_becomes_a_target),
		SHADOW_TEST(target_is_not_told_early),
		SHADOW_TEST(target_that_cannot_be_mapped_is_refused),
		SHADOW_TEST(each_system_call_fails),
		SHADOW_TEST(each_vulkan_call_fails),
		SHADOW_TEST(formats_are_copied),
		SHADOW_TEST(what_fails_half_way_is_not_shown),
	};
	return RIG_MAIN(tests);
}
