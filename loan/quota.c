#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "loan/quota.h"
#include "sync/fd.h"
#include "trace/log.h"
#include "trace/recorder.h"

static const struct sbx_syncobj_limits defaults = {
	.timelines = SBX_SYNCOBJ_DEFAULT_TIMELINES,
	.held_commits = SBX_SYNCOBJ_DEFAULT_HELD_COMMITS,
	.points = SBX_SYNCOBJ_DEFAULT_POINTS,
};

enum { LOWEST_LIMIT = 4 };

static uint32_t or_default(uint32_t limit, uint32_t fallback) {
	return limit != 0 ? limit : fallback;
}

void sbx_quotas_init(struct sbx_quotas *quotas, const struct sbx_syncobj_limits *limits) {
	*quotas = (struct sbx_quotas){
		.limits = {
			.timelines = or_default(limits->timelines, defaults.timelines),
			.held_commits = or_default(limits->held_commits, defaults.held_commits),
			.points = or_default(limits->points, defaults.points),
		},
	};
	wl_list_init(&quotas->clients);
}

static void forget_client(struct sbx_quota *quota) {
	if (quota->client != NULL) {
		wl_list_remove(&quota->client_leave.link);
		wl_list_remove(&quota->client_destroy.link);
		quota->client = NULL;
		sbx_quota_unref(quota);
	}
}

void sbx_quotas_finish(struct sbx_quotas *quotas) {
	struct sbx_quota *quota, *next;
	wl_list_for_each_safe(quota, next, &quotas->clients, link) {
		forget_client(quota);
	}
	assert(wl_list_empty(&quotas->clients));
}

/* fds are given out lowest first: a new one's number is how many there are, at the least. */
void sbx_quotas_feel_pressure(struct sbx_quotas *quotas, int any_fd) {
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
		return;
	}
	int fd = -1;
	int ret = sbx_fd_dup(any_fd, &fd);
	rlim_t open = ret == 0 ? (rlim_t)fd : ret == -EMFILE ? limit.rlim_cur : 0;
	sbx_fd_close(&fd);
	unsigned before = quotas->pressure;
	quotas->pressure = open > limit.rlim_cur / 8 * 7 ? 4 : open > limit.rlim_cur / 4 * 3 ? 2 : 0;
	if (quotas->pressure > before) {
		sbx_log_info("protocol: %llu of %llu file descriptors are in use: clients' bounds are lowered",
			(unsigned long long)open, (unsigned long long)limit.rlim_cur);
	}
}

static void handle_client_leave(struct wl_listener *listener, void *data) {
	struct sbx_quota *quota = wl_container_of(listener, quota, client_leave);
	quota->leaving = true;
}

static void handle_client_destroy(struct wl_listener *listener, void *data) {
	struct sbx_quota *quota = wl_container_of(listener, quota, client_destroy);
	forget_client(quota);
}

/* As the kernel has it: up to 15 bytes, chosen by the process. */
static void learn_name(struct sbx_quota *quota) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)quota->pid);
	FILE *file = fopen(path, "re");
	if (file == NULL || fgets(quota->name, sizeof(quota->name), file) == NULL) {
		strcpy(quota->name, "?");
	}
	if (file != NULL) {
		fclose(file);
	}
	for (char *c = quota->name; *c != '\0'; c++) {
		*c = *c == '\n' ? '\0' : *c < ' ' || *c == 0x7f ? '?' : *c;
	}
	sbx_recorder_name_client(quota->pid, quota->name);
}

static struct sbx_quota *create(struct sbx_quotas *quotas, struct wl_client *client) {
	struct sbx_quota *quota = calloc(1, sizeof(*quota));
	if (quota == NULL) {
		return NULL;
	}
	quota->quotas = quotas;
	quota->client = client;
	quota->references = 1; // the client's
	wl_client_get_credentials(client, &quota->pid, NULL, NULL);
	learn_name(quota);
	wl_list_insert(&quotas->clients, &quota->link);
	quota->client_leave.notify = handle_client_leave;
	wl_client_add_destroy_listener(client, &quota->client_leave);
	quota->client_destroy.notify = handle_client_destroy;
	wl_client_add_destroy_late_listener(client, &quota->client_destroy);
	return quota;
}

struct sbx_quota *sbx_quota_get(struct sbx_quotas *quotas, struct wl_client *client) {
	struct sbx_quota *quota;
	wl_list_for_each(quota, &quotas->clients, link) {
		if (quota->client == client) {
			return sbx_quota_ref(quota);
		}
	}
	quota = create(quotas, client);
	return quota != NULL ? sbx_quota_ref(quota) : NULL;
}

struct sbx_quota *sbx_quota_ref(struct sbx_quota *quota) {
	quota->references++;
	return quota;
}

void sbx_quota_unref(struct sbx_quota *quota) {
	if (quota == NULL || --quota->references > 0) {
		return;
	}
	wl_list_remove(&quota->link);
	free(quota);
}

static uint32_t configured_limit(const struct sbx_syncobj_limits *limits, enum sbx_quota_kind kind) {
	switch (kind) {
	case SBX_QUOTA_TIMELINES:
		return limits->timelines;
	case SBX_QUOTA_HELD_COMMITS:
		return limits->held_commits;
	case SBX_QUOTA_POINTS:
		return limits->points;
	case SBX_QUOTA_KINDS:
		break;
	}
	return 0;
}

uint32_t sbx_quota_limit(const struct sbx_quota *quota, enum sbx_quota_kind kind) {
	uint32_t configured = configured_limit(&quota->quotas->limits, kind);
	uint32_t limit = configured >> quota->quotas->pressure;
	uint32_t lowest = configured < LOWEST_LIMIT ? configured : LOWEST_LIMIT;
	return limit > lowest ? limit : lowest;
}

int sbx_quota_take(struct sbx_quota *quota, enum sbx_quota_kind kind) {
	if (quota->used[kind] >= sbx_quota_limit(quota, kind)) {
		return -EDQUOT;
	}
	quota->used[kind]++;
	return 0;
}

void sbx_quota_give(struct sbx_quota *quota, enum sbx_quota_kind kind) {
	assert(quota->used[kind] > 0);
	quota->used[kind]--;
}

void sbx_quota_raise_fd_limit(void) {
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}
