#include "loan/forecast.h"

#define LONGEST_US UINT32_C(3600000000)

static uint32_t to_us(int64_t duration_ns) {
	if (duration_ns <= 0) {
		return 0;
	}
	return duration_ns / 1000 >= LONGEST_US ? LONGEST_US : (uint32_t)((duration_ns + 999) / 1000);
}

void sbx_forecast_add(struct sbx_forecast *forecast, int64_t duration_ns) {
	forecast->durations_us[forecast->next] = to_us(duration_ns);
	forecast->next = (forecast->next + 1) % SBX_FORECAST_WINDOW;
	forecast->count += forecast->count < SBX_FORECAST_WINDOW;
}

bool sbx_forecast_get(const struct sbx_forecast *forecast, int64_t *duration_ns) {
	*duration_ns = 0;
	if (forecast->count < SBX_FORECAST_ENOUGH) {
		return false;
	}
	uint32_t longest_us = 0;
	for (unsigned i = 0; i < forecast->count; i++) {
		if (forecast->durations_us[i] > longest_us) {
			longest_us = forecast->durations_us[i];
		}
	}
	*duration_ns = (int64_t)longest_us * 1000;
	return true;
}
