/**
 * How long something will take, from how long it took before: a client's GPU work from commit to signal,
 * our own for a frame.
 *
 * The answer is the longest of the last SBX_FORECAST_WINDOW. It errs towards too long, and one outlier
 * is forgotten after as many. Of a fixed size: no memory, whatever is added.
 */
#ifndef SBX_LOAN_FORECAST_H
#define SBX_LOAN_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

enum {
	/** How many are remembered. */
	SBX_FORECAST_WINDOW = 16,
	/** With fewer than these nothing is said. */
	SBX_FORECAST_ENOUGH = 8,
};

struct sbx_forecast {
	uint32_t durations_us[SBX_FORECAST_WINDOW];
	unsigned count, next;
};

/** It took duration_ns. Negative counts as 0, more than an hour as an hour. */
void sbx_forecast_add(struct sbx_forecast *forecast, int64_t duration_ns);

/** False: too little is known, *duration_ns is 0. Rounded up to a microsecond. */
bool sbx_forecast_get(const struct sbx_forecast *forecast, int64_t *duration_ns);

#endif
