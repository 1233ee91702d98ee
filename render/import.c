#include <ctype.h>
#include <drm_fourcc.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "render/device.h"
#include "render/format.h"
#include "render/format_cache.h"
#include "render/image.h"
#include "render/image_private.h"
#include "render/ycbcr.h"
#include "sync/fd.h"
#include "trace/log.h"

/* One import on its way. Drivers trust what they are told, so nothing reaches them unchecked. */
struct import {
	struct sbx_device *device;
	const struct sbx_dmabuf *dmabuf;
	uint32_t uses;
	const struct sbx_format *format;
	const struct sbx_format_modifier *modifier;
	/* Of a plane that is imported by itself; NULL: the format's own. */
	const VkComponentMapping *swizzle;
	/* Bytes in the buffer of each plane. */
	uint64_t size[SBX_DMABUF_MAX_PLANES];
	/* The planes are in more than one buffer. */
	bool disjoint;
	/* Nothing is logged. */
	bool quiet;
	struct sbx_image *image;
};

/* "XR24"; the client may have put anything there. */
static void print_fourcc(uint32_t format, char text[5]) {
	for (int i = 0; i < 4; i++) {
		unsigned char c = format >> (8 * i);
		text[i] = isprint(c) ? c : '?';
	}
	text[4] = '\0';
}

/* Log the one line that says what was wrong; returns `error`. */
static int refuse(const struct import *import, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct import *import, int error, const char *format, ...) {
	const struct sbx_dmabuf *dmabuf = import->dmabuf;
	if (import->quiet) {
		return error;
	}
	char reason[256], fourcc[5];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	print_fourcc(dmabuf->format, fourcc);
	sbx_log_error("render: cannot import a dma-buf of %ux%u, format %s (0x%08x), modifier 0x%llx: %s",
		dmabuf->width, dmabuf->height, fourcc, dmabuf->format,
		(unsigned long long)dmabuf->modifier, reason);
	return error;
}

static int check_format(struct import *import) {
	const struct sbx_dmabuf *dmabuf = import->dmabuf;
	struct sbx_device *device = import->device;
	if (device->lost) {
		return refuse(import, -ENODEV, "the GPU is lost");
	}
	if (!device->caps.dmabuf) {
		return refuse(import, -ENOTSUP, "%s imports no dma-bufs", device->name);
	}
	import->format = sbx_format_from_drm(dmabuf->format);
	if (import->format == NULL) {
		return refuse(import, -ENOTSUP, "not a format that signalbox knows");
	}
	import->modifier = sbx_format_find_modifier(device, import->format, dmabuf->modifier);
	if (import->modifier == NULL) {
		return refuse(import, -ENOTSUP, "%s does not take this modifier", device->name);
	}
	if (import->uses == 0 || (import->modifier->uses & import->uses) != import->uses) {
		return refuse(import, -ENOTSUP, "%s cannot use it as a %s", device->name,
			(import->uses & SBX_FORMAT_STORE) != 0 ? "target" : "texture");
	}
	if (dmabuf->planes != import->modifier->planes) {
		return refuse(import, -EINVAL, "it has %u planes, the modifier needs %u", dmabuf->planes,
			import->modifier->planes);
	}
	return 0;
}

static int check_dimensions(struct import *import) {
	const struct sbx_dmabuf *dmabuf = import->dmabuf;
	const struct sbx_format_modifier *modifier = import->modifier;
	if (dmabuf->width == 0 || dmabuf->height == 0) {
		return refuse(import, -EINVAL, "it has no pixels");
	}
	if (dmabuf->width > modifier->max_width || dmabuf->height > modifier->max_height) {
		return refuse(import, -EINVAL, "larger than %ux%u", modifier->max_width,
			modifier->max_height);
	}
	return 0;
}

static int check_fd(struct import *import, uint32_t plane) {
	int fd = import->dmabuf->fd[plane];
	struct statfs fs;
	if (fd < 0 || fstatfs(fd, &fs) != 0) {
		return refuse(import, -EBADF, "plane %u: fd %d is not open", plane, fd);
	}
	// All dma-bufs, and nothing else, live on this file system (Linux 5.3, ed63bb1d1f84).
	if (fs.f_type != DMA_BUF_MAGIC) {
		return refuse(import, -EINVAL, "plane %u: fd %d is not a dma-buf", plane, fd);
	}
	off_t size = lseek(fd, 0, SEEK_END);
	if (size <= 0) {
		return refuse(import, -EINVAL, "plane %u: the buffer has no size", plane);
	}
	import->size[plane] = size;
	return 0;
}

/* What of the picture lies in this plane of memory: its rows, and the bytes of each. */
static void plane_extent(const struct import *import, uint32_t plane, uint64_t *row, uint64_t *rows) {
	const struct sbx_dmabuf *dmabuf = import->dmabuf;
	const struct sbx_ycbcr *ycbcr = import->format->ycbcr;
	uint32_t width = dmabuf->width, height = dmabuf->height, index = plane;
	uint32_t bytes = import->format->bytes_per_pixel;
	if (ycbcr != NULL) {
		for (index = 0; index < ycbcr->n_planes && ycbcr->planes[index].memory != plane;) {
			index++;
		}
	}
	if (ycbcr != NULL && index < ycbcr->n_planes) {
		sbx_ycbcr_plane_size(ycbcr, index, width, height, &width, &height);
		bytes = sbx_format_from_drm(ycbcr->planes[index].drm)->bytes_per_pixel;
	}
	*row = (uint64_t)width * bytes;
	*rows = height;
}

/*
 * In a linear layout every byte can be accounted for. Of others only the driver knows the layout; it
 * is asked for the size that it needs once the image exists. No sum can overflow: the height is at
 * most max_image_size.
 */
static int check_layout(struct import *import, uint32_t plane) {
	const struct sbx_dmabuf *dmabuf = import->dmabuf;
	uint64_t offset = dmabuf->offset[plane], stride = dmabuf->stride[plane], row, rows;
	plane_extent(import, plane, &row, &rows);
	bool linear = dmabuf->modifier == DRM_FORMAT_MOD_LINEAR;
	if (stride == 0 || (linear && stride < row)) {
		return refuse(import, -EINVAL, "plane %u: a row has %llu bytes, the stride is %llu", plane,
			(unsigned long long)row, (unsigned long long)stride);
	}
	uint64_t end = linear ? offset + stride * (rows - 1) + row : offset + stride;
	if (end > import->size[plane]) {
		return refuse(import, -EINVAL, "plane %u: offset %llu and stride %llu reach byte %llu of "
			"%llu", plane, (unsigned long long)offset, (unsigned long long)stride,
			(unsigned long long)end, (unsigned long long)import->size[plane]);
	}
	return 0;
}

static bool same_buffer(int a, int b) {
	struct stat st_a, st_b;
	// Every dma-buf has an inode of its own (Linux 5.3, ed63bb1d1f84).
	return fstat(a, &st_a) == 0 && fstat(b, &st_b) == 0 && st_a.st_ino == st_b.st_ino &&
		st_a.st_dev == st_b.st_dev;
}

/*
 * One Vulkan image for all planes. Not of several memories where there is another way: hardly anybody binds
 * those, and the validation layers of Vulkan 1.4.363 abort on it (std::system_error, "Resource deadlock
 * avoided").
 */
static bool can_be_whole(const struct import *import) {
	const struct sbx_ycbcr *ycbcr = import->format->ycbcr;
	if (import->disjoint && (import->modifier->split ||
			(import->modifier->features & VK_FORMAT_FEATURE_DISJOINT_BIT) == 0)) {
		return false;
	}
	return ycbcr == NULL || (import->modifier->whole &&
		sbx_ycbcr_is_even(ycbcr, import->dmabuf->width, import->dmabuf->height));
}

static int check_planes(struct import *import) {
	const struct sbx_dmabuf *dmabuf = import->dmabuf;
	for (uint32_t i = 0; i < dmabuf->planes; i++) {
		int ret = check_fd(import, i);
		if (ret == 0) {
			ret = check_layout(import, i);
		}
		if (ret < 0) {
			return ret;
		}
		import->disjoint = import->disjoint || !same_buffer(dmabuf->fd[0], dmabuf->fd[i]);
	}
	return 0;
}

static int check_wholeness(struct import *import) {
	if (!can_be_whole(import) && !import->modifier->split) {
		return import->disjoint ?
			refuse(import, -ENOTSUP, "its planes lie in different buffers") :
			refuse(import, -ENOTSUP, "an odd size for planes of fewer pixels");
	}
	return 0;
}

static int create_handle(struct import *import) {
	const struct sbx_dmabuf *dmabuf = import->dmabuf;
	struct sbx_device *device = import->device;
	VkSubresourceLayout layouts[SBX_DMABUF_MAX_PLANES] = {0};
	for (uint32_t i = 0; i < dmabuf->planes; i++) {
		layouts[i].offset = dmabuf->offset[i];
		layouts[i].rowPitch = dmabuf->stride[i];
	}
	VkFormat views[SBX_YCBCR_MAX_PLANES];
	const VkImageFormatListCreateInfo views_info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO,
		.viewFormatCount = sbx_format_plane_views(import->format, views),
		.pViewFormats = views,
	};
	const VkImageDrmFormatModifierExplicitCreateInfoEXT modifier_info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT,
		.pNext = import->format->ycbcr != NULL ? &views_info : NULL,
		.drmFormatModifier = dmabuf->modifier,
		.drmFormatModifierPlaneCount = dmabuf->planes,
		.pPlaneLayouts = layouts,
	};
	const VkExternalMemoryImageCreateInfo external_info = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
		.pNext = &modifier_info,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	const VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.pNext = &external_info,
		.flags = (import->disjoint ? VK_IMAGE_CREATE_DISJOINT_BIT : 0) |
			(import->format->ycbcr != NULL ? VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT : 0),
		.imageType = VK_IMAGE_TYPE_2D,
		.format = import->image->format->vk,
		.extent = { dmabuf->width, dmabuf->height, 1 },
		.mipLevels = 1,
		.arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
		.usage = import->image->usage,
		.sharingMode = VK_SHARING_MODE_EXCLUSIVE,
		.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
	};
	return SBX_VK(device, vkCreateImage, device->handle, &info, NULL, &import->image->handle);
}

static VkImageAspectFlagBits memory_plane(uint32_t plane) {
	return VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT << plane;
}

static VkMemoryRequirements memory_needs(const struct import *import, uint32_t plane) {
	struct sbx_device *device = import->device;
	const VkImagePlaneMemoryRequirementsInfo plane_info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO,
		.planeAspect = memory_plane(plane),
	};
	const VkImageMemoryRequirementsInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2,
		.pNext = import->disjoint ? &plane_info : NULL,
		.image = import->image->handle,
	};
	VkMemoryRequirements2 needs = { .sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2 };
	device->vk.vkGetImageMemoryRequirements2(device->handle, &info, &needs);
	return needs.memoryRequirements;
}

/*
 * That a device cannot have another's memory is an answer, not a failure of its driver. A client of another
 * GPU gets it for each of its buffers: one line will do.
 */
static int check_foreign(const struct import *import, uint32_t plane, VkResult result, const char *call) {
	struct sbx_device *device = import->device;
	if (result != VK_ERROR_INVALID_EXTERNAL_HANDLE) {
		return sbx_device_check(device, result, call);
	}
	if (device->refusal_logged) {
		return -ENOTSUP;
	}
	device->refusal_logged = true;
	return refuse(import, -ENOTSUP, "plane %u: %s cannot have this memory", plane, device->name);
}

/* The memory type for plane `plane`, or a negative errno. */
static int memory_type(const struct import *import, uint32_t plane,
		const VkMemoryRequirements *needs) {
	struct sbx_device *device = import->device;
	VkMemoryFdPropertiesKHR fd = { .sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR };
	VkResult result = device->vk.vkGetMemoryFdPropertiesKHR(device->handle,
		VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT, import->dmabuf->fd[plane], &fd);
	int ret = check_foreign(import, plane, result, "vkGetMemoryFdPropertiesKHR");
	if (ret < 0) {
		return ret;
	}
	int type = sbx_device_memory_type(device, fd.memoryTypeBits & needs->memoryTypeBits, 0, 0);
	return type >= 0 ? type :
		refuse(import, -ENOTSUP, "plane %u: no kind of memory suits it", plane);
}

static int allocate(struct import *import, uint32_t plane, int *fd,
		const VkMemoryRequirements *needs, int type) {
	struct sbx_device *device = import->device;
	struct sbx_image *image = import->image;
	const VkMemoryDedicatedAllocateInfo dedicated_info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, .image = image->handle,
	};
	const VkImportMemoryFdInfoKHR import_info = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		.pNext = import->disjoint ? NULL : &dedicated_info,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
		.fd = *fd,
	};
	const VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &import_info,
		.allocationSize = needs->size,
		.memoryTypeIndex = type,
	};
	VkResult result = device->vk.vkAllocateMemory(device->handle, &info, NULL, &image->memory[plane]);
	int ret = check_foreign(import, plane, result, "vkAllocateMemory");
	if (ret == 0) {
		*fd = -1;
		image->memory_count = plane + 1;
	}
	return ret;
}

static int import_memory(struct import *import, uint32_t plane) {
	VkMemoryRequirements needs = memory_needs(import, plane);
	if (needs.size > import->size[plane]) {
		return refuse(import, -EINVAL, "plane %u: the driver needs %llu bytes, the buffer has %llu",
			plane, (unsigned long long)needs.size, (unsigned long long)import->size[plane]);
	}
	int type = memory_type(import, plane, &needs);
	if (type < 0) {
		return type;
	}
	int fd = -1;
	int ret = sbx_fd_dup(import->dmabuf->fd[plane], &fd);
	if (ret < 0) {
		return refuse(import, ret, "plane %u: the fd cannot be duplicated", plane);
	}
	ret = allocate(import, plane, &fd, &needs, type);
	sbx_fd_close(&fd);
	return ret;
}

static int bind_memory(struct import *import, uint32_t count) {
	struct sbx_device *device = import->device;
	VkBindImagePlaneMemoryInfo planes[SBX_DMABUF_MAX_PLANES];
	VkBindImageMemoryInfo binds[SBX_DMABUF_MAX_PLANES];
	for (uint32_t i = 0; i < count; i++) {
		planes[i] = (VkBindImagePlaneMemoryInfo){
			.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO,
			.planeAspect = memory_plane(i),
		};
		binds[i] = (VkBindImageMemoryInfo){
			.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO,
			.pNext = import->disjoint ? &planes[i] : NULL,
			.image = import->image->handle,
			.memory = import->image->memory[i],
		};
	}
	return SBX_VK(device, vkBindImageMemory2, device->handle, count, binds);
}

static int create_image(struct import *import) {
	const struct sbx_dmabuf *dmabuf = import->dmabuf;
	struct sbx_image *image = sbx_image_alloc(import->device, import->format, dmabuf->width,
		dmabuf->height);
	if (image == NULL) {
		return -ENOMEM;
	}
	import->image = image;
	image->foreign = true;
	image->layout = VK_IMAGE_LAYOUT_GENERAL;
	image->usage = sbx_format_image_usage(import->modifier->features, import->uses);
	uint32_t memories = import->disjoint ? dmabuf->planes : 1;
	int ret = create_handle(import);
	for (uint32_t i = 0; i < memories && ret == 0; i++) {
		ret = import_memory(import, i);
	}
	if (ret == 0) {
		ret = bind_memory(import, memories);
	}
	if (ret < 0) {
		return ret;
	}
	return import->format->ycbcr != NULL ? sbx_image_create_plane_views(image) :
		sbx_image_create_views(image, import->uses, import->swizzle);
}

static int import_checked(struct import *import);

/* Each plane as a buffer of its own. */
static int import_plane(struct import *import, uint32_t index) {
	const struct sbx_dmabuf *dmabuf = import->dmabuf;
	const struct sbx_ycbcr_plane *plane = &import->format->ycbcr->planes[index];
	struct sbx_dmabuf part = {
		.format = plane->drm,
		.modifier = dmabuf->modifier,
		.planes = 1,
		.offset = { dmabuf->offset[plane->memory] },
		.stride = { dmabuf->stride[plane->memory] },
		.fd = { dmabuf->fd[plane->memory], -1, -1, -1 },
	};
	sbx_ycbcr_plane_size(import->format->ycbcr, index, dmabuf->width, dmabuf->height, &part.width,
		&part.height);
	struct import child = {
		.device = import->device, .dmabuf = &part, .uses = import->uses,
		.swizzle = &plane->swizzle,
	};
	int ret = import_checked(&child);
	if (ret == 0) {
		import->image->planes[import->image->n_planes++] = child.image;
	} else {
		sbx_image_abandon(child.image);
	}
	return ret;
}

static int import_planes(struct import *import) {
	const struct sbx_dmabuf *dmabuf = import->dmabuf;
	struct sbx_image *image = sbx_image_alloc(import->device, import->format, dmabuf->width,
		dmabuf->height);
	if (image == NULL) {
		return -ENOMEM;
	}
	import->image = image;
	image->foreign = true;
	int ret = 0;
	for (uint32_t i = 0; i < import->format->ycbcr->n_planes && ret == 0; i++) {
		ret = import_plane(import, i);
	}
	return ret;
}

static int check(struct import *import) {
	int ret = check_format(import);
	if (ret == 0) {
		ret = check_dimensions(import);
	}
	return ret == 0 ? check_planes(import) : ret;
}

int sbx_dmabuf_check(struct sbx_device *device, const struct sbx_dmabuf *dmabuf, uint32_t uses,
		const struct sbx_format **format, uint64_t sizes[static SBX_DMABUF_MAX_PLANES]) {
	struct import import = { .device = device, .dmabuf = dmabuf, .uses = uses, .quiet = true };
	int ret = check(&import);
	*format = import.format;
	memcpy(sizes, import.size, sizeof(import.size));
	return ret;
}

/* Leaves a half-built image for the caller to abandon. */
static int import_checked(struct import *import) {
	int ret = check(import);
	if (ret == 0) {
		ret = check_wholeness(import);
	}
	if (ret < 0) {
		return ret;
	}
	return can_be_whole(import) ? create_image(import) : import_planes(import);
}

int sbx_image_import_dmabuf(struct sbx_device *device, const struct sbx_dmabuf *dmabuf,
		uint32_t uses, struct sbx_image **image) {
	struct import import = { .device = device, .dmabuf = dmabuf, .uses = uses };
	int ret = import_checked(&import);
	if (ret < 0) {
		sbx_image_abandon(import.image);
		return ret;
	}
	*image = import.image;
	return 0;
}
