#include <stdlib.h>
#include <wlr/render/color.h>
#include "render/grade.h"
#include "render/wlr/grades.h"
#include "render/wlr/renderer.h"

static void eval(void *data, float out[static 3], const float in[static 3]) {
	wlr_color_transform_eval(data, out, in);
}

static struct sbx_known_grade *find(struct sbx_renderer *renderer,
		const struct wlr_color_transform *transform) {
	struct sbx_known_grade *known;
	wl_list_for_each(known, &renderer->grades, link) {
		if (known->transform == transform) {
			return known;
		}
	}
	return NULL;
}

static struct sbx_known_grade *create(struct sbx_renderer *renderer,
		struct wlr_color_transform *transform) {
	struct sbx_known_grade *known = calloc(1, sizeof(*known));
	if (known == NULL) {
		return NULL;
	}
	known->grade = sbx_grade_create(renderer->device, eval, transform);
	if (known->grade == NULL) {
		free(known);
		return NULL;
	}
	known->transform = wlr_color_transform_ref(transform);
	wl_list_insert(&renderer->grades, &known->link);
	return known;
}

static void destroy(struct sbx_known_grade *known) {
	wl_list_remove(&known->link);
	sbx_grade_destroy(known->grade);
	wlr_color_transform_unref(known->transform);
	free(known);
}

/* A gamma ramp that fades brings a new transform with every frame. */
static void drop_old(struct sbx_renderer *renderer) {
	struct sbx_known_grade *known, *next;
	unsigned n = 0;
	wl_list_for_each_safe(known, next, &renderer->grades, link) {
		if (++n > SBX_GRADES_KEPT && known->users == 0) {
			destroy(known);
		}
	}
}

struct sbx_known_grade *sbx_grades_get(struct sbx_renderer *renderer,
		struct wlr_color_transform *transform) {
	struct sbx_known_grade *known = find(renderer, transform);
	if (known == NULL) {
		known = create(renderer, transform);
	}
	if (known == NULL) {
		return NULL;
	}
	known->users++;
	wl_list_remove(&known->link);
	wl_list_insert(&renderer->grades, &known->link);
	drop_old(renderer);
	return known;
}

void sbx_grades_put(struct sbx_renderer *renderer, struct sbx_known_grade *known) {
	if (known != NULL) {
		known->users--;
		drop_old(renderer);
	}
}

void sbx_grades_destroy_all(struct sbx_renderer *renderer) {
	struct sbx_known_grade *known, *next;
	wl_list_for_each_safe(known, next, &renderer->grades, link) {
		destroy(known);
	}
}
