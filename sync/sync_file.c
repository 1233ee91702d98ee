#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include "sync/fd.h"
#include "sync/kernel.h"
#include "sync/sync_file.h"
#include "sync/uapi.h"

/* Of a timeline's point the kernel lists all earlier ones that are pending, too. */
enum { FENCES_ON_STACK = 16 };

int sbx_fence_merge(int *dst, int *src) {
	if (*src < 0) {
		return 0;
	}
	if (dst == src) {
		return -EINVAL;
	}
	if (*dst < 0) {
		*dst = sbx_fd_steal(src);
		return 0;
	}
	struct sync_merge_data merge = { .name = "signalbox", .fd2 = *src };
	int ret = sbx_kernel_ioctl(SBX_COUNT_IOCTL_SYNC_FILE_MERGE, *dst, SYNC_IOC_MERGE, &merge);
	if (ret < 0) {
		return ret;
	}
	sbx_fd_close(dst);
	sbx_fd_close(src);
	*dst = merge.fence;
	return 0;
}

static int ask(int sync_file, struct sync_fence_info *fences, uint32_t count,
		struct sync_file_info *reply) {
	*reply = (struct sync_file_info){
		.num_fences = count,
		.sync_fence_info = (uintptr_t)fences,
	};
	return sbx_kernel_ioctl(SBX_COUNT_IOCTL_SYNC_FILE_INFO, sync_file, SYNC_IOC_FILE_INFO, reply);
}

static void sum_up(const struct sync_fence_info *fences, uint32_t count,
		struct sbx_fence_info *info) {
	bool pending = false;
	for (uint32_t i = 0; i < count; i++) {
		if (fences[i].status < 0 && info->error == 0) {
			info->error = fences[i].status;
		}
		pending = pending || fences[i].status == 0;
		if (fences[i].timestamp_ns > info->timestamp_ns) {
			info->timestamp_ns = fences[i].timestamp_ns;
		}
	}
	info->status = !pending || info->error != 0;
	if (pending) {
		info->timestamp_ns = 0;
	}
}

/* More fences than fit: their number is asked for, and may have shrunk when they are. */
static int info_of_many(int sync_file, struct sbx_fence_info *info) {
	struct sync_file_info reply;
	int ret = ask(sync_file, NULL, 0, &reply);
	if (ret < 0) {
		return ret;
	}
	struct sync_fence_info *fences = calloc(reply.num_fences + 1, sizeof(*fences));
	if (fences == NULL) {
		return -ENOMEM;
	}
	ret = ask(sync_file, fences, reply.num_fences + 1, &reply);
	if (ret == 0) {
		sum_up(fences, reply.num_fences, info);
	}
	free(fences);
	return ret;
}

int sbx_fence_info(int sync_file, struct sbx_fence_info *info) {
	*info = (struct sbx_fence_info){0};
	if (sync_file < 0) {
		info->status = 1;
		return 0;
	}
	// The fences are asked for one by one, since the sum that the kernel gives without them is that
	// of the fence_chain around a timeline's point, which knows no errors.
	struct sync_fence_info fences[FENCES_ON_STACK];
	struct sync_file_info reply;
	int ret = ask(sync_file, fences, FENCES_ON_STACK, &reply);
	if (ret == -EINVAL) {
		return info_of_many(sync_file, info);
	}
	if (ret == 0) {
		sum_up(fences, reply.num_fences, info);
	}
	return ret;
}

int sbx_fence_status(int sync_file, int *error) {
	struct sbx_fence_info info;
	int ret = sbx_fence_info(sync_file, &info);
	if (error != NULL) {
		*error = info.error;
	}
	return ret < 0 ? ret : info.status;
}

int sbx_fence_set_deadline(int sync_file, uint64_t deadline_ns) {
	if (sync_file < 0) {
		return 0;
	}
	struct sync_set_deadline arg = { .deadline_ns = deadline_ns };
	int ret = sbx_kernel_ioctl(SBX_COUNT_IOCTL_SYNC_FILE_DEADLINE, sync_file,
		SYNC_IOC_SET_DEADLINE, &arg);
	return ret == -ENOTTY ? -ENOTSUP : ret;
}

int sbx_fence_wait(int sync_file, int64_t timeout_ns) {
	if (timeout_ns < 0) {
		return -EINVAL;
	}
	if (sync_file < 0) {
		return 0;
	}
	int64_t start_ns = sbx_kernel_now_ns();
	int64_t left_ns = timeout_ns;
	struct pollfd entry = { .fd = sync_file, .events = POLLIN };
	int ret;
	while ((ret = sbx_kernel_poll(&entry, 1, left_ns)) == -EINTR) {
		int64_t elapsed_ns = sbx_kernel_now_ns() - start_ns;
		left_ns = elapsed_ns < timeout_ns ? timeout_ns - elapsed_ns : 0;
	}
	if (ret <= 0) {
		return ret < 0 ? ret : -ETIME;
	}
	if (entry.revents & POLLIN) {
		return 0;
	}
	return entry.revents & POLLNVAL ? -EBADF : -EINVAL;
}
