// The one place where volk's functions are compiled; everybody else includes the header only.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define VOLK_IMPLEMENTATION
#include <volk.h>
#pragma GCC diagnostic pop
