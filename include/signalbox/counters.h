/**
 * What signalbox costs the system, counted since the start of the process: ioctls by kind, file
 * descriptors, frames. One set of counters for the whole process; never reset, so that two readers
 * do not disturb each other: take a snapshot and subtract.
 *
 * Reading is a relaxed atomic load: any thread, at any time, no lock. Counters read one after the
 * other are not a consistent set while another thread works.
 *
 *	for (size_t i = 0; i < sbx_counter_get_count(); i++) {
 *		printf("%s %llu\n", sbx_counter_get_name(i), (unsigned long long)sbx_counter_get(i));
 *	}
 *
 * Names are for people and for comparison by their beginning ("ioctl." sums to all ioctls). Which
 * counters there are, and their order, may change with every release.
 */
#ifndef SIGNALBOX_COUNTERS_H
#define SIGNALBOX_COUNTERS_H

#include <signalbox/api.h>
#include <stddef.h>
#include <stdint.h>

/** How many counters there are. */
SBX_API size_t sbx_counter_get_count(void);

/** The name of counter `index`, "ioctl.syncobj_query". Static. NULL if there is no such counter. */
SBX_API const char *sbx_counter_get_name(size_t index);

/** The value of counter `index`; 0 if there is no such counter. */
SBX_API uint64_t sbx_counter_get(size_t index);

#endif
