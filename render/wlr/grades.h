/**
 * The grades of the colour transforms that passes were given last.
 */
#ifndef SBX_RENDER_WLR_GRADES_H
#define SBX_RENDER_WLR_GRADES_H

#include <wayland-util.h>

struct sbx_grade;
struct sbx_renderer;
struct wlr_color_transform;

/** So many are kept, and their transforms referenced, besides those in use. */
#define SBX_GRADES_KEPT 8

struct sbx_known_grade {
	struct wl_list link; /* sbx_renderer.grades, the last one used first */
	/** Referenced: another one cannot have its address. */
	struct wlr_color_transform *transform;
	struct sbx_grade *grade;
	/** Passes that have it. */
	unsigned users;
};

/**
 * The grade of this transform (not NULL), made when first asked for, which can take some milliseconds. To be
 * given back by sbx_grades_put(). NULL: out of memory, or a lost device.
 */
struct sbx_known_grade *sbx_grades_get(struct sbx_renderer *renderer,
	struct wlr_color_transform *transform);
/** NULL is allowed. */
void sbx_grades_put(struct sbx_renderer *renderer, struct sbx_known_grade *known);

/** Before the device goes. */
void sbx_grades_destroy_all(struct sbx_renderer *renderer);

#endif
