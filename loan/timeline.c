#include <errno.h>
#include <stdlib.h>
#include "loan/quota.h"
#include "loan/timeline.h"
#include "sync/timeline.h"

static uint64_t last_serial;

int sbx_client_timeline_import(struct sbx_sync *sync, struct sbx_quota *quota, int *syncobj_fd,
		uint32_t id, struct sbx_client_timeline **out) {
	*out = NULL;
	int ret = sbx_quota_take(quota, SBX_QUOTA_TIMELINES);
	if (ret < 0) {
		return ret;
	}
	struct sbx_client_timeline *timeline = calloc(1, sizeof(*timeline));
	ret = timeline != NULL ? sbx_timeline_import(sync, syncobj_fd, &timeline->timeline) : -ENOMEM;
	if (ret < 0) {
		sbx_quota_give(quota, SBX_QUOTA_TIMELINES);
		free(timeline);
		return ret;
	}
	timeline->references = 1;
	timeline->sync = sync;
	timeline->quota = sbx_quota_ref(quota);
	timeline->id = id;
	timeline->serial = ++last_serial;
	*out = timeline;
	return 0;
}

struct sbx_client_timeline *sbx_client_timeline_ref(struct sbx_client_timeline *timeline) {
	timeline->references++;
	return timeline;
}

void sbx_client_timeline_unref(struct sbx_client_timeline *timeline) {
	if (timeline == NULL || --timeline->references > 0) {
		return;
	}
	sbx_timeline_destroy(timeline->timeline);
	sbx_quota_give(timeline->quota, SBX_QUOTA_TIMELINES);
	sbx_quota_unref(timeline->quota);
	free(timeline);
}

struct sbx_point sbx_client_timeline_point(const struct sbx_client_timeline *timeline, uint64_t value) {
	return sbx_timeline_point(timeline->timeline, value);
}

bool sbx_client_timeline_is_same(struct sbx_client_timeline *acquire,
		struct sbx_client_timeline *release, uint64_t release_value) {
	if (acquire == release || release->distinct_from == acquire->serial) {
		return acquire == release;
	}
	struct sbx_point points[] = {
		sbx_client_timeline_point(acquire, 0),
		sbx_client_timeline_point(release, 0),
	};
	uint64_t last[2];
	if (sbx_points_last(acquire->sync, points, 2, last) < 0) {
		return false;
	}
	if (last[0] != last[1]) {
		release->distinct_from = acquire->serial;
		return false;
	}
	return last[1] >= release_value && release->released < release_value;
}
