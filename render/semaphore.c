#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include "render/device.h"
#include "render/retire.h"
#include "render/semaphore.h"
#include "sync/sync_file.h"
#include "trace/counter.h"

#define BIT(fd_type) (1u << (fd_type))
#define ALL_FDS (BIT(SBX_SEMAPHORE_SYNC_FD) | BIT(SBX_SEMAPHORE_OPAQUE_FD))

static VkExternalSemaphoreHandleTypeFlagBits handle_type(enum sbx_semaphore_fd type) {
	switch (type) {
	case SBX_SEMAPHORE_SYNC_FD:
		return VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
	case SBX_SEMAPHORE_OPAQUE_FD:
		break;
	}
	return VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT;
}

/* What the device can do; a timeline as SYNC_FD does not exist: nothing. */
static struct sbx_semaphore_caps caps_of(const struct sbx_device *device,
		enum sbx_semaphore_type type, enum sbx_semaphore_fd fd_type) {
	const struct sbx_device_caps *caps = &device->caps;
	bool timeline = type == SBX_SEMAPHORE_TIMELINE;
	switch (fd_type) {
	case SBX_SEMAPHORE_SYNC_FD:
		return timeline ? (struct sbx_semaphore_caps){0} : caps->sync_fd;
	case SBX_SEMAPHORE_OPAQUE_FD:
		break;
	}
	return timeline ? caps->opaque_fd_timeline : caps->opaque_fd_binary;
}

static int check_exportable(const struct sbx_device *device, enum sbx_semaphore_type type,
		uint32_t exportable) {
	if ((exportable & ~ALL_FDS) != 0 || (type == SBX_SEMAPHORE_TIMELINE &&
			(exportable & BIT(SBX_SEMAPHORE_SYNC_FD)) != 0)) {
		return -EINVAL;
	}
	for (int i = SBX_SEMAPHORE_SYNC_FD; i <= SBX_SEMAPHORE_OPAQUE_FD; i++) {
		if ((exportable & BIT(i)) != 0 && !caps_of(device, type, i).export) {
			return -ENOTSUP;
		}
	}
	return device->lost ? -ENODEV : 0;
}

static VkExternalSemaphoreHandleTypeFlags handle_types(uint32_t exportable) {
	VkExternalSemaphoreHandleTypeFlags types = 0;
	for (int i = SBX_SEMAPHORE_SYNC_FD; i <= SBX_SEMAPHORE_OPAQUE_FD; i++) {
		types |= (exportable & BIT(i)) != 0 ? handle_type(i) : 0;
	}
	return types;
}

static int create_handle(struct sbx_semaphore *semaphore, uint64_t initial_value) {
	struct sbx_device *device = semaphore->device;
	bool timeline = semaphore->type == SBX_SEMAPHORE_TIMELINE;
	const VkSemaphoreTypeCreateInfo type_info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
		.semaphoreType = timeline ? VK_SEMAPHORE_TYPE_TIMELINE : VK_SEMAPHORE_TYPE_BINARY,
		.initialValue = timeline ? initial_value : 0,
	};
	const VkExportSemaphoreCreateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
		.pNext = &type_info,
		.handleTypes = handle_types(semaphore->exportable),
	};
	const VkSemaphoreCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &export_info,
	};
	return SBX_VK(device, vkCreateSemaphore, device->handle, &info, NULL, &semaphore->handle);
}

int sbx_semaphore_create(struct sbx_device *device, enum sbx_semaphore_type type,
		uint32_t exportable, uint64_t initial_value, struct sbx_semaphore **out) {
	int ret = check_exportable(device, type, exportable);
	if (ret < 0) {
		return ret;
	}
	struct sbx_semaphore *semaphore = calloc(1, sizeof(*semaphore));
	if (semaphore == NULL) {
		return -ENOMEM;
	}
	semaphore->device = device;
	semaphore->type = type;
	semaphore->exportable = exportable;
	ret = create_handle(semaphore, initial_value);
	if (ret < 0) {
		free(semaphore);
		return ret;
	}
	*out = semaphore;
	return 0;
}

static void destroy_now(struct sbx_device *device, void *object) {
	struct sbx_semaphore *semaphore = object;
	device->vk.vkDestroySemaphore(device->handle, semaphore->handle, NULL);
	free(semaphore);
}

void sbx_semaphore_destroy(struct sbx_semaphore *semaphore) {
	if (semaphore != NULL) {
		sbx_retire_after(semaphore->device, semaphore->last_use, destroy_now, semaphore);
	}
}

bool sbx_semaphore_may_wait(const struct sbx_semaphore *semaphore) {
	return semaphore->type == SBX_SEMAPHORE_TIMELINE || semaphore->shared || semaphore->pending;
}

bool sbx_semaphore_may_signal(const struct sbx_semaphore *semaphore) {
	return semaphore->type == SBX_SEMAPHORE_TIMELINE || semaphore->shared || !semaphore->pending;
}

/* The payload was waited for (or its state copied away): a temporary one is gone with that. */
static void payload_used(struct sbx_semaphore *semaphore) {
	semaphore->pending = false;
	if (semaphore->temporary) {
		semaphore->temporary = false;
		semaphore->pending = semaphore->permanent.pending;
		semaphore->shared = semaphore->permanent.shared;
		semaphore->imported = semaphore->permanent.imported;
		semaphore->imported_as = SBX_SEMAPHORE_OPAQUE_FD;
	}
}

static void payload_imported(struct sbx_semaphore *semaphore, enum sbx_semaphore_fd type,
		bool temporary) {
	if (temporary && !semaphore->temporary) {
		semaphore->permanent.pending = semaphore->pending;
		semaphore->permanent.shared = semaphore->shared;
		semaphore->permanent.imported = semaphore->imported;
	}
	semaphore->temporary = temporary;
	semaphore->imported = true;
	semaphore->imported_as = type;
	// What a sync_file stands for is a signal that was submitted elsewhere.
	semaphore->pending = type == SBX_SEMAPHORE_SYNC_FD;
	semaphore->shared = type == SBX_SEMAPHORE_OPAQUE_FD;
}

void sbx_semaphore_submitted(struct sbx_semaphore *semaphore, bool signal, uint64_t value) {
	semaphore->last_use = value;
	if (semaphore->type == SBX_SEMAPHORE_TIMELINE) {
		return;
	}
	if (signal) {
		semaphore->pending = !semaphore->shared;
	} else {
		payload_used(semaphore);
	}
}

/* 0, or -EBADF, -EINVAL, -ENOTTY: drivers take any fd for a sync_file and fail when it is too late. */
static int check_sync_file(int fd) {
	if (fd < 0) {
		return fd == -1 ? 0 : -EBADF;
	}
	int ret = sbx_fence_status(fd, NULL);
	return ret < 0 ? ret : 0;
}

static int check_import(const struct sbx_semaphore *semaphore, enum sbx_semaphore_fd type,
		enum sbx_semaphore_permanence permanence, int fd) {
	bool timeline = semaphore->type == SBX_SEMAPHORE_TIMELINE;
	bool temporary = permanence == SBX_SEMAPHORE_TEMPORARY;
	// A timeline has no temporary payload (VUID-VkImportSemaphoreFdInfoKHR-flags-03323).
	if (timeline && (type == SBX_SEMAPHORE_SYNC_FD || temporary)) {
		return -EINVAL;
	}
	if (type == SBX_SEMAPHORE_SYNC_FD && !temporary) {
		return -EINVAL;
	}
	if (!caps_of(semaphore->device, semaphore->type, type).import) {
		return -ENOTSUP;
	}
	// VUID-vkImportSemaphoreFdKHR-semaphore-01142
	if (semaphore->last_use > sbx_device_poll(semaphore->device)) {
		return -EBUSY;
	}
	if (type == SBX_SEMAPHORE_SYNC_FD) {
		return check_sync_file(fd);
	}
	return fd >= 0 && fcntl(fd, F_GETFD) >= 0 ? 0 : -EBADF;
}

int sbx_semaphore_import(struct sbx_semaphore *semaphore, enum sbx_semaphore_fd type,
		enum sbx_semaphore_permanence permanence, int *fd) {
	struct sbx_device *device = semaphore->device;
	bool temporary = permanence == SBX_SEMAPHORE_TEMPORARY;
	int ret = device->lost ? -ENODEV : check_import(semaphore, type, permanence, *fd);
	if (ret < 0) {
		return ret;
	}
	const VkImportSemaphoreFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
		.semaphore = semaphore->handle,
		.flags = temporary ? VK_SEMAPHORE_IMPORT_TEMPORARY_BIT : 0,
		.handleType = handle_type(type),
		.fd = *fd,
	};
	ret = SBX_VK(device, vkImportSemaphoreFdKHR, device->handle, &info);
	if (ret == 0) {
		*fd = -1;
		payload_imported(semaphore, type, temporary);
		sbx_count(SBX_COUNT_SEMAPHORE_IMPORTS, 1);
	}
	return ret;
}

static int check_export(const struct sbx_semaphore *semaphore, enum sbx_semaphore_fd type) {
	const struct sbx_semaphore_caps caps = caps_of(semaphore->device, semaphore->type, type);
	if (semaphore->type == SBX_SEMAPHORE_TIMELINE && type == SBX_SEMAPHORE_SYNC_FD) {
		return -EINVAL;
	}
	if ((semaphore->exportable & BIT(type)) == 0) {
		return caps.export ? -EINVAL : -ENOTSUP;
	}
	// VUID-VkSemaphoreGetFdInfoKHR-handleType-03254: a copy needs a signal that was submitted here.
	if (type == SBX_SEMAPHORE_SYNC_FD) {
		return semaphore->imported || !semaphore->pending ? -EINVAL : 0;
	}
	// VUID-VkSemaphoreGetFdInfoKHR-semaphore-01133
	bool foreign = semaphore->imported && semaphore->imported_as != type;
	return foreign || (semaphore->imported && !caps.reexport) ? -EINVAL : 0;
}

int sbx_semaphore_export(struct sbx_semaphore *semaphore, enum sbx_semaphore_fd type, int *fd) {
	struct sbx_device *device = semaphore->device;
	*fd = -1;
	int ret = device->lost ? -ENODEV : check_export(semaphore, type);
	if (ret < 0) {
		return ret;
	}
	const VkSemaphoreGetFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
		.semaphore = semaphore->handle,
		.handleType = handle_type(type),
	};
	ret = SBX_VK(device, vkGetSemaphoreFdKHR, device->handle, &info, fd);
	if (ret < 0) {
		*fd = -1;
		return ret;
	}
	sbx_count(SBX_COUNT_SEMAPHORE_EXPORTS, 1);
	if (type == SBX_SEMAPHORE_SYNC_FD) {
		payload_used(semaphore);
	} else {
		semaphore->shared = true;
	}
	return 0;
}

int sbx_semaphore_get_value(struct sbx_semaphore *semaphore, uint64_t *value) {
	struct sbx_device *device = semaphore->device;
	if (semaphore->type != SBX_SEMAPHORE_TIMELINE) {
		return -EINVAL;
	}
	return device->lost ? -ENODEV : SBX_VK(device, vkGetSemaphoreCounterValue, device->handle,
		semaphore->handle, value);
}

int sbx_semaphore_signal(struct sbx_semaphore *semaphore, uint64_t value) {
	struct sbx_device *device = semaphore->device;
	uint64_t now = 0;
	int ret = sbx_semaphore_get_value(semaphore, &now);
	if (ret < 0) {
		return ret;
	}
	// Going back is undefined behaviour in Vulkan (VUID-VkSemaphoreSignalInfo-value-03258).
	if (value <= now) {
		return -EINVAL;
	}
	const VkSemaphoreSignalInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
		.semaphore = semaphore->handle,
		.value = value,
	};
	return SBX_VK(device, vkSignalSemaphore, device->handle, &info);
}

int sbx_semaphore_wait(struct sbx_semaphore *semaphore, uint64_t value, uint64_t timeout_ns) {
	struct sbx_device *device = semaphore->device;
	if (semaphore->type != SBX_SEMAPHORE_TIMELINE) {
		return -EINVAL;
	}
	if (device->lost) {
		return -ENODEV;
	}
	const VkSemaphoreWaitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
		.semaphoreCount = 1,
		.pSemaphores = &semaphore->handle,
		.pValues = &value,
	};
	VkResult result = device->vk.vkWaitSemaphores(device->handle, &info, timeout_ns);
	return result == VK_TIMEOUT ? -ETIME : sbx_device_check(device, result, "vkWaitSemaphores");
}
