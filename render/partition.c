#include "render/partition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "render/array.h"

/*
 * A sweep from top to bottom. At each y where a box begins or ends, only the x range of those boxes
 * (the dirty range) can change; the open spans in it are worked out anew, and a span that comes out as
 * it was simply goes on. A span that does not is closed: it has become a part.
 */

/**
 * Steps (boxes looked at, words of bit masks, edges) after which the operations count as tangled: some
 * ten milliseconds. Only adversaries get here; a thousand windows need about a hundredth of it.
 */
#define MAX_WORK (8 * 1000 * 1000)

/** Of how many large opaque boxes is remembered that they hide what lies within them. */
#define MAX_OCCLUDERS 16
/** And how many hidden intervals of the sweep line. */
#define MAX_HIDDEN 8

struct box {
	int32_t x1, y1, x2, y2;
	uint32_t op;
	bool opaque;
};

/**
 * Where boxes begin and end along one axis: keys of edge_key(), each list sorted. They fill from the end,
 * as boxes are looked at from the top and drawn, mostly, from one corner on: then there is nothing to sort.
 */
struct edges {
	uint64_t *begins, *ends;
	/** The first of each that the sweep has not come to, and how many there are in all. */
	size_t begin, end, size;
};

/** A part whose lower end is not known yet. */
struct span {
	int32_t x1, x2, y1;
	uint32_t first_layer, n_layers;
	bool over_target, kept;
};

struct sbx_partition_scratch {
	/** All boxes of all operations, in drawing order: a box's index is its depth. */
	struct box *boxes;
	/** Their upper and lower edges: y, box index. */
	uint64_t *y_keys;
	struct edges y_edges;
	/** Boxes that cross the sweep line, in drawing order. */
	uint32_t *active;
	/** Those of them that may show in the dirty range, topmost first. */
	uint32_t *local;
	/** Left and right edges of the local ones: x, index in `local`. */
	uint64_t *x_keys;
	struct edges x_edges;
	/** One bit for each local box: it covers the current interval. */
	uint64_t *covers;
	/**
	 * The visible stack of the current interval, bottom first, at the end of `stack_room`; whether
	 * nothing opaque is at its bottom.
	 */
	uint32_t *stack_room, *stack, *stack_end;
	bool over_target;
	/** Open spans by x, and what replaces those in the dirty range. */
	struct span *spans, *fresh;

	size_t boxes_capacity, y_keys_capacity, active_capacity, local_capacity, x_keys_capacity,
		covers_capacity, stack_room_capacity, spans_capacity, fresh_capacity;
	size_t n_boxes, n_active, n_local, n_words, n_stack, n_spans, n_fresh, n_settled;

	int32_t dirty_x1, dirty_x2;
	size_t dirty_spans_begin, dirty_spans_end;
	uint64_t work;
	/** False for the last resort, one operation: whatever it takes. */
	bool bounded;
};

void sbx_partition_init(struct sbx_partition *partition) {
	*partition = (struct sbx_partition){0};
}

void sbx_partition_finish(struct sbx_partition *partition) {
	struct sbx_partition_scratch *s = partition->scratch;
	if (s != NULL) {
		free(s->boxes);
		free(s->y_keys);
		free(s->active);
		free(s->local);
		free(s->x_keys);
		free(s->covers);
		free(s->stack_room);
		free(s->spans);
		free(s->fresh);
		free(s);
	}
	free(partition->parts);
	free(partition->layers);
	*partition = (struct sbx_partition){0};
}

static int32_t max_i32(int32_t a, int32_t b) {
	return a > b ? a : b;
}

static int32_t min_i32(int32_t a, int32_t b) {
	return a < b ? a : b;
}

#define RESERVE(s, array, need) \
	sbx_array_grow(&(s)->array, &(s)->array##_capacity, need, sizeof(*(s)->array))

static bool is_sorted(const uint64_t *keys, size_t n) {
	for (size_t i = 1; i < n; i++) {
		if (keys[i - 1] > keys[i]) {
			return false;
		}
	}
	return true;
}

/** Shell's sort with Ciura's gaps: no memory, no calls. */
static void sort_keys(uint64_t *keys, size_t n) {
	static const size_t gaps[] = { 8858, 3937, 1750, 701, 301, 132, 57, 23, 10, 4, 1 };
	if (is_sorted(keys, n)) {
		return;
	}
	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
		size_t gap = gaps[g];
		for (size_t i = gap; i < n; i++) {
			uint64_t key = keys[i];
			size_t j = i;
			for (; j >= gap && keys[j - gap] > key; j -= gap) {
				keys[j] = keys[j - gap];
			}
			keys[j] = key;
		}
	}
}

/** Keys sort by position first; the sign bit is turned so that unsigned order is signed order. */
static uint64_t edge_key(int32_t position, size_t index) {
	return (uint64_t)((uint32_t)position ^ 0x80000000u) << 32 | (uint32_t)index;
}

static int32_t edge_position(uint64_t key) {
	return (int32_t)((uint32_t)(key >> 32) ^ 0x80000000u);
}

/** No edges yet, of at most `size` boxes; `keys` has room for twice as many. */
static void edges_init(struct edges *edges, uint64_t *keys, size_t size) {
	*edges = (struct edges){ .begins = keys, .ends = keys + size, size, size, size };
}

static void edges_add(struct edges *edges, int32_t begin, int32_t end, size_t index) {
	edges->begins[--edges->begin] = edge_key(begin, index);
	edges->ends[--edges->end] = edge_key(end, index);
}

static void edges_sort(struct edges *edges) {
	sort_keys(&edges->begins[edges->begin], edges->size - edges->begin);
	sort_keys(&edges->ends[edges->end], edges->size - edges->end);
}

/** What begins ends further on: so the last edge is an end. */
static bool edges_left(const struct edges *edges) {
	return edges->end < edges->size;
}

/** Where the next edge is. */
static int32_t edges_position(const struct edges *edges) {
	int32_t end = edge_position(edges->ends[edges->end]);
	return edges->begin < edges->size ?
		min_i32(edge_position(edges->begins[edges->begin]), end) : end;
}

/** The next of the edges at `position` in a list of `size`, *next; false: there is none. */
static bool take_edge(const uint64_t *keys, size_t *next, size_t size, int32_t position, uint32_t *index) {
	if (*next == size || edge_position(keys[*next]) != position) {
		return false;
	}
	*index = (uint32_t)keys[(*next)++];
	return true;
}

static bool edges_take_begin(struct edges *edges, int32_t position, uint32_t *index) {
	return take_edge(edges->begins, &edges->begin, edges->size, position, index);
}

static bool edges_take_end(struct edges *edges, int32_t position, uint32_t *index) {
	return take_edge(edges->ends, &edges->end, edges->size, position, index);
}

static bool reserve_for_boxes(struct sbx_partition_scratch *s, size_t n) {
	return RESERVE(s, boxes, n) && RESERVE(s, y_keys, 2 * n) && RESERVE(s, active, n) &&
		RESERVE(s, local, n) && RESERVE(s, x_keys, 2 * n) &&
		RESERVE(s, covers, n / 64 + 1) && RESERVE(s, stack_room, n + 1);
}

static bool load_boxes(struct sbx_partition_scratch *s, const struct sbx_partition_op *ops,
		size_t n_ops) {
	size_t n = 0;
	for (size_t i = 0; i < n_ops; i++) {
		n += ops[i].n_boxes > 0 ? (size_t)ops[i].n_boxes : 0;
	}
	if (!reserve_for_boxes(s, n)) {
		return false;
	}
	s->stack_end = s->stack_room + n;
	s->n_boxes = 0;
	for (size_t i = 0; i < n_ops; i++) {
		for (int k = 0; k < ops[i].n_boxes; k++) {
			const pixman_box32_t *box = &ops[i].boxes[k];
			if (box->x1 < box->x2 && box->y1 < box->y2) {
				s->boxes[s->n_boxes++] = (struct box){ box->x1, box->y1, box->x2, box->y2,
					(uint32_t)i, ops[i].opaque };
			}
		}
	}
	return true;
}

static uint64_t area(const struct box *box) {
	return (uint64_t)((int64_t)box->x2 - box->x1) * (uint64_t)((int64_t)box->y2 - box->y1);
}

static bool contains(const struct box *outer, const struct box *inner) {
	return outer->x1 <= inner->x1 && outer->x2 >= inner->x2 &&
		outer->y1 <= inner->y1 && outer->y2 >= inner->y2;
}

struct occluders {
	const struct box *boxes[MAX_OCCLUDERS];
	size_t n;
	/** Once there are as many as can be. */
	size_t smallest;
	uint64_t smallest_area;
};

static bool hidden_by(const struct occluders *occluders, const struct box *box) {
	for (size_t i = 0; i < occluders->n; i++) {
		if (contains(occluders->boxes[i], box)) {
			return true;
		}
	}
	return false;
}

static void find_smallest(struct occluders *occluders) {
	occluders->smallest_area = UINT64_MAX;
	for (size_t i = 0; i < occluders->n; i++) {
		uint64_t its_area = area(occluders->boxes[i]);
		if (its_area < occluders->smallest_area) {
			occluders->smallest = i;
			occluders->smallest_area = its_area;
		}
	}
}

static void add_occluder(struct occluders *occluders, const struct box *box) {
	if (occluders->n < MAX_OCCLUDERS) {
		occluders->boxes[occluders->n++] = box;
	} else if (area(box) > occluders->smallest_area) {
		occluders->boxes[occluders->smallest] = box;
	} else {
		return;
	}
	if (occluders->n == MAX_OCCLUDERS) {
		find_smallest(occluders);
	}
}

/**
 * List the edges of all boxes but those that a single box above hides: their edges would only make the
 * sweep stop for nothing, and a heap of windows consists of them.
 */
static void list_y_edges(struct sbx_partition_scratch *s) {
	struct occluders occluders = { .n = 0 };
	edges_init(&s->y_edges, s->y_keys, s->n_boxes);
	for (size_t i = s->n_boxes; i-- > 0;) {
		const struct box *box = &s->boxes[i];
		if (hidden_by(&occluders, box)) {
			continue;
		}
		if (box->opaque) {
			add_occluder(&occluders, box);
		}
		edges_add(&s->y_edges, box->y1, box->y2, i);
	}
	edges_sort(&s->y_edges);
}

/** Where `box` is, or belongs, among the active ones. Often behind them all: boxes are listed as drawn. */
static size_t active_position(const struct sbx_partition_scratch *s, uint32_t box) {
	size_t lo = 0, hi = s->n_active;
	if (hi > 0 && s->active[hi - 1] < box) {
		return hi;
	}
	while (lo < hi) {
		size_t middle = (lo + hi) / 2;
		if (s->active[middle] < box) {
			lo = middle + 1;
		} else {
			hi = middle;
		}
	}
	return lo;
}

static void add_active(struct sbx_partition_scratch *s, uint32_t box) {
	size_t at = active_position(s, box);
	memmove(&s->active[at + 1], &s->active[at], (s->n_active - at) * sizeof(s->active[0]));
	s->active[at] = box;
	s->n_active++;
}

static void remove_active(struct sbx_partition_scratch *s, uint32_t box) {
	size_t at = active_position(s, box);
	s->n_active--;
	memmove(&s->active[at], &s->active[at + 1], (s->n_active - at) * sizeof(s->active[0]));
}

static void widen_to_box(struct sbx_partition_scratch *s, uint32_t box) {
	s->dirty_x1 = min_i32(s->dirty_x1, s->boxes[box].x1);
	s->dirty_x2 = max_i32(s->dirty_x2, s->boxes[box].x2);
}

/** Let the boxes that begin or end at `y`, the next edge, do so. */
static void apply_edges(struct sbx_partition_scratch *s, int32_t y) {
	uint32_t box;
	s->dirty_x1 = INT32_MAX;
	s->dirty_x2 = INT32_MIN;
	while (edges_take_end(&s->y_edges, y, &box)) {
		remove_active(s, box);
		widen_to_box(s, box);
	}
	while (edges_take_begin(&s->y_edges, y, &box)) {
		add_active(s, box);
		widen_to_box(s, box);
	}
}

/** Widen the dirty range to whole open spans, neighbours included: they may merge with what changes. */
static void widen_dirty_range(struct sbx_partition_scratch *s) {
	size_t lo = 0, hi = s->n_spans;
	while (lo < hi) {
		size_t middle = (lo + hi) / 2;
		if (s->spans[middle].x2 < s->dirty_x1) {
			lo = middle + 1;
		} else {
			hi = middle;
		}
	}
	size_t end = lo;
	while (end < s->n_spans && s->spans[end].x1 <= s->dirty_x2) {
		s->spans[end++].kept = false;
	}
	s->dirty_spans_begin = lo;
	s->dirty_spans_end = end;
	if (lo < end) {
		s->dirty_x1 = min_i32(s->dirty_x1, s->spans[lo].x1);
		s->dirty_x2 = max_i32(s->dirty_x2, s->spans[end - 1].x2);
	}
}

struct interval {
	int32_t x1, x2;
};

/** Where the sweep line is known to be hidden by opaque boxes: a few disjoint intervals. */
struct hidden {
	struct interval intervals[MAX_HIDDEN];
	size_t n;
};

static bool is_hidden(const struct hidden *hidden, int32_t x1, int32_t x2) {
	for (size_t i = 0; i < hidden->n; i++) {
		if (hidden->intervals[i].x1 <= x1 && hidden->intervals[i].x2 >= x2) {
			return true;
		}
	}
	return false;
}

/**
 * Note that x1..x2 is hidden, and find out what is hidden around it. Forgetting one when there are too many
 * is no mistake.
 */
static struct interval hide(struct hidden *hidden, int32_t x1, int32_t x2) {
	for (size_t i = 0; i < hidden->n;) {
		int32_t i1 = hidden->intervals[i].x1, i2 = hidden->intervals[i].x2;
		if (i1 > x2 || i2 < x1) {
			i++;
			continue;
		}
		x1 = min_i32(x1, i1);
		x2 = max_i32(x2, i2);
		hidden->intervals[i] = hidden->intervals[--hidden->n];
	}
	struct interval whole = { x1, x2 };
	if (hidden->n < MAX_HIDDEN) {
		hidden->intervals[hidden->n++] = whole;
	}
	return whole;
}

/** Look at the active boxes from the top, until nothing below can show in the dirty range. */
static void find_local(struct sbx_partition_scratch *s) {
	struct hidden hidden = { .n = 0 };
	s->n_local = 0;
	edges_init(&s->x_edges, s->x_keys, s->n_active);
	for (size_t i = s->n_active; i-- > 0;) {
		const struct box *box = &s->boxes[s->active[i]];
		int32_t x1 = max_i32(box->x1, s->dirty_x1), x2 = min_i32(box->x2, s->dirty_x2);
		s->work++;
		if (x1 >= x2 || is_hidden(&hidden, x1, x2)) {
			continue;
		}
		edges_add(&s->x_edges, x1, x2, s->n_local);
		s->local[s->n_local++] = s->active[i];
		if (box->opaque) {
			struct interval whole = hide(&hidden, x1, x2);
			if (whole.x1 <= s->dirty_x1 && whole.x2 >= s->dirty_x2) {
				return;
			}
		}
	}
}

static void collect_local(struct sbx_partition_scratch *s) {
	find_local(s);
	edges_sort(&s->x_edges);
	s->work += 8 * s->n_local;
	s->n_words = (s->n_local + 63) / 64;
	memset(s->covers, 0, s->n_words * sizeof(s->covers[0]));
}

/** Collect what is visible in the current interval, from the top to the first opaque box. */
static void collect_stack(struct sbx_partition_scratch *s) {
	uint32_t *stack = s->stack_end;
	s->over_target = true;
	for (size_t word = 0; word < s->n_words && s->over_target; word++) {
		uint64_t visible = s->covers[word];
		for (; visible != 0 && s->over_target; visible &= visible - 1) {
			const struct box *box =
				&s->boxes[s->local[word * 64 + (size_t)__builtin_ctzll(visible)]];
			*--stack = box->op;
			s->over_target = !box->opaque;
		}
		s->work++;
	}
	s->stack = stack;
	s->n_stack = (size_t)(s->stack_end - stack);
	s->work += s->n_stack;
}

static bool same_stack(const struct sbx_partition *p, uint32_t first, uint32_t n,
		const uint32_t *stack, size_t n_stack) {
	return n == n_stack && memcmp(&p->layers[first], stack, n * sizeof(*stack)) == 0;
}

/**
 * The newest fresh span is complete. If it goes on an open one, its layers (the last ones) are given
 * back. *old walks over the open spans of the dirty range.
 */
static void settle_fresh(struct sbx_partition *p, size_t *old) {
	struct sbx_partition_scratch *s = p->scratch;
	if (s->n_fresh == s->n_settled) {
		return;
	}
	s->n_settled = s->n_fresh;
	struct span *fresh = &s->fresh[s->n_fresh - 1];
	while (*old < s->dirty_spans_end && s->spans[*old].x1 < fresh->x1) {
		(*old)++;
	}
	if (*old == s->dirty_spans_end) {
		return;
	}
	struct span *open = &s->spans[*old];
	if (open->x1 == fresh->x1 && open->x2 == fresh->x2 && same_stack(p, open->first_layer,
			open->n_layers, &p->layers[fresh->first_layer], fresh->n_layers)) {
		open->kept = true;
		p->n_layers = fresh->first_layer;
		*fresh = *open;
	}
}

static int begin_fresh(struct sbx_partition *p, int32_t x1, int32_t x2, int32_t y) {
	struct sbx_partition_scratch *s = p->scratch;
	size_t n_layers = p->n_layers + s->n_stack;
	if (s->bounded && n_layers > SBX_PARTITION_MAX_LAYERS) {
		return -EOVERFLOW;
	}
	if (!RESERVE(p, layers, n_layers) || !RESERVE(s, fresh, s->n_fresh + 1)) {
		return -ENOMEM;
	}
	memcpy(&p->layers[p->n_layers], s->stack, s->n_stack * sizeof(s->stack[0]));
	s->fresh[s->n_fresh++] = (struct span){
		.x1 = x1,
		.x2 = x2,
		.y1 = y,
		.first_layer = (uint32_t)p->n_layers,
		.n_layers = (uint32_t)s->n_stack,
		.over_target = s->over_target,
	};
	p->n_layers = n_layers;
	return 0;
}

/** The interval x1..x2 has the stack just collected: widen the newest fresh span, or begin another. */
static int add_interval(struct sbx_partition *p, int32_t x1, int32_t x2, int32_t y, size_t *old) {
	struct sbx_partition_scratch *s = p->scratch;
	struct span *last = s->n_fresh > 0 ? &s->fresh[s->n_fresh - 1] : NULL;
	if (last != NULL && last->x2 == x1 &&
			same_stack(p, last->first_layer, last->n_layers, s->stack, s->n_stack)) {
		last->x2 = x2;
		return 0;
	}
	settle_fresh(p, old);
	return s->n_stack > 0 ? begin_fresh(p, x1, x2, y) : 0;
}

/** Note which local boxes cover the interval that begins at `x`, the next edge. */
static void cover_from(struct sbx_partition_scratch *s, int32_t x) {
	uint32_t local;
	while (edges_take_end(&s->x_edges, x, &local)) {
		s->covers[local / 64] &= ~(UINT64_C(1) << (local % 64));
	}
	while (edges_take_begin(&s->x_edges, x, &local)) {
		s->covers[local / 64] |= UINT64_C(1) << (local % 64);
	}
}

static int sweep_dirty_range(struct sbx_partition *p, int32_t y) {
	struct sbx_partition_scratch *s = p->scratch;
	size_t old = s->dirty_spans_begin;
	s->n_fresh = s->n_settled = 0;
	while (edges_left(&s->x_edges)) {
		int32_t x = edges_position(&s->x_edges);
		cover_from(s, x);
		if (!edges_left(&s->x_edges)) {
			break;
		}
		collect_stack(s);
		int ret = add_interval(p, x, edges_position(&s->x_edges), y, &old);
		if (ret < 0) {
			return ret;
		}
	}
	settle_fresh(p, &old);
	return 0;
}

static int close_span(struct sbx_partition *p, const struct span *span, int32_t y) {
	if (p->scratch->bounded && p->n_parts == SBX_PARTITION_MAX_PARTS) {
		return -EOVERFLOW;
	}
	if (!RESERVE(p, parts, p->n_parts + 1)) {
		return -ENOMEM;
	}
	p->parts[p->n_parts++] = (struct sbx_part){
		.x1 = span->x1,
		.y1 = span->y1,
		.x2 = span->x2,
		.y2 = y,
		.first_layer = span->first_layer,
		.n_layers = span->n_layers,
		.over_target = span->over_target,
	};
	return 0;
}

/** Close the spans of the dirty range that do not go on, and put the fresh ones in their place. */
static int replace_spans(struct sbx_partition *p, int32_t y) {
	struct sbx_partition_scratch *s = p->scratch;
	for (size_t i = s->dirty_spans_begin; i < s->dirty_spans_end; i++) {
		int ret = s->spans[i].kept ? 0 : close_span(p, &s->spans[i], y);
		if (ret < 0) {
			return ret;
		}
	}
	size_t n_after = s->n_spans - s->dirty_spans_end;
	size_t n = s->dirty_spans_begin + s->n_fresh + n_after;
	if (!RESERVE(s, spans, n + 1)) {
		return -ENOMEM;
	}
	struct span *at = &s->spans[s->dirty_spans_begin];
	memmove(at + s->n_fresh, &s->spans[s->dirty_spans_end], n_after * sizeof(*at));
	if (s->n_fresh > 0) {
		memcpy(at, s->fresh, s->n_fresh * sizeof(*at));
	}
	s->n_spans = n;
	return 0;
}

static int sweep(struct sbx_partition *p, const struct sbx_partition_op *ops, size_t n_ops) {
	struct sbx_partition_scratch *s = p->scratch;
	p->n_parts = p->n_layers = 0;
	s->n_active = s->n_spans = 0;
	s->work = 0;
	s->bounded = n_ops > 1;
	if (!load_boxes(s, ops, n_ops)) {
		return -ENOMEM;
	}
	list_y_edges(s);
	while (edges_left(&s->y_edges)) {
		int32_t y = edges_position(&s->y_edges);
		apply_edges(s, y);
		widen_dirty_range(s);
		collect_local(s);
		int ret = sweep_dirty_range(p, y);
		ret = ret < 0 ? ret : replace_spans(p, y);
		if (ret < 0) {
			return ret;
		}
		if (s->bounded && s->work > MAX_WORK) {
			return -EOVERFLOW;
		}
	}
	return 0;
}

int64_t sbx_partition_build(struct sbx_partition *partition, const struct sbx_partition_op *ops,
		size_t n_ops) {
	if (partition->scratch == NULL) {
		partition->scratch = calloc(1, sizeof(*partition->scratch));
		if (partition->scratch == NULL) {
			return -ENOMEM;
		}
	}
	int ret;
	while ((ret = sweep(partition, ops, n_ops)) == -EOVERFLOW) {
		n_ops /= 2;
	}
	return ret < 0 ? ret : (int64_t)n_ops;
}
