#include "render/device.h"
#include "render/quirk.h"

void sbx_quirk_apply(const VkPhysicalDeviceDriverProperties *driver, struct sbx_device_caps *caps) {
	switch ((int)driver->driverID) {
	case VK_DRIVER_ID_MESA_LLVMPIPE:
	case VK_DRIVER_ID_GOOGLE_SWIFTSHADER:
		// Software has no kernel fence to hand out before the work is done: vkGetSemaphoreFdKHR
		// waits for it (seen with Mesa 26.1: an export behind an unsignalled wait blocks until that
		// is signalled, then gives a signalled fd).
		caps->export_blocks = true;
		break;
	}
}
