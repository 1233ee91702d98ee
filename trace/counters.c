#include <signalbox/counters.h>
#include "trace/counter.h"

size_t sbx_counter_get_count(void) {
	return SBX_COUNT_MAX;
}

const char *sbx_counter_get_name(size_t index) {
	return index < SBX_COUNT_MAX ? sbx_counter_name(index) : NULL;
}

uint64_t sbx_counter_get(size_t index) {
	return index < SBX_COUNT_MAX ? sbx_counter_read(index) : 0;
}
