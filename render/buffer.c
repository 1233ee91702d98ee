#include <stdlib.h>
#include "render/buffer.h"
#include "render/device.h"
#include "render/retire.h"
#include "trace/log.h"

static void destroy_now(struct sbx_device *device, void *object) {
	struct sbx_buffer *buffer = object;
	device->vk.vkDestroyBuffer(device->handle, buffer->handle, NULL);
	device->vk.vkFreeMemory(device->handle, buffer->memory, NULL);
	free(buffer);
}

static int create_handle(struct sbx_buffer *buffer, VkBufferUsageFlags usage, const char *name) {
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = buffer->size,
		.usage = usage,
		.sharingMode = VK_SHARING_MODE_EXCLUSIVE,
	};
	struct sbx_device *device = buffer->device;
	int ret = SBX_VK(device, vkCreateBuffer, device->handle, &info, NULL, &buffer->handle);
	if (ret == 0) {
		sbx_device_name(device, VK_OBJECT_TYPE_BUFFER, (uint64_t)buffer->handle, "%s", name);
	}
	return ret;
}

static VkMemoryPropertyFlags preferred_memory(enum sbx_buffer_access access) {
	switch (access) {
	case SBX_BUFFER_UPLOAD:
		return 0;
	case SBX_BUFFER_UPLOAD_SHARED:
		return VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
	case SBX_BUFFER_READBACK:
		return VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
	}
	return 0;
}

static int allocate(struct sbx_buffer *buffer, enum sbx_buffer_access access) {
	struct sbx_device *device = buffer->device;
	VkMemoryRequirements needs;
	device->vk.vkGetBufferMemoryRequirements(device->handle, buffer->handle, &needs);
	int type = sbx_device_memory_type(device, needs.memoryTypeBits,
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
		preferred_memory(access));
	if (type < 0) {
		sbx_log_error("driver: no host-coherent memory for a buffer");
		return -1;
	}
	const VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = needs.size,
		.memoryTypeIndex = type,
	};
	return SBX_VK(device, vkAllocateMemory, device->handle, &info, NULL, &buffer->memory);
}

static int bind_and_map(struct sbx_buffer *buffer) {
	struct sbx_device *device = buffer->device;
	int ret = SBX_VK(device, vkBindBufferMemory, device->handle, buffer->handle, buffer->memory, 0);
	if (ret < 0) {
		return ret;
	}
	return SBX_VK(device, vkMapMemory, device->handle, buffer->memory, 0, VK_WHOLE_SIZE, 0,
		&buffer->data);
}

struct sbx_buffer *sbx_buffer_create(struct sbx_device *device, VkDeviceSize size,
		VkBufferUsageFlags usage, enum sbx_buffer_access access, const char *name) {
	struct sbx_buffer *buffer = calloc(1, sizeof(*buffer));
	if (buffer == NULL) {
		return NULL;
	}
	buffer->device = device;
	buffer->size = size;
	if (create_handle(buffer, usage, name) < 0 || allocate(buffer, access) < 0 ||
			bind_and_map(buffer) < 0) {
		destroy_now(device, buffer);
		return NULL;
	}
	return buffer;
}

void sbx_buffer_destroy(struct sbx_buffer *buffer) {
	if (buffer != NULL) {
		sbx_retire_after(buffer->device, buffer->last_use, destroy_now, buffer);
	}
}
