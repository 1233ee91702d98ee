#ifndef SBX_CHECK_CASES_H
#define SBX_CHECK_CASES_H

#include "check/check.h"

/** The tables of case_*.c; check_cases() joins them. */
extern const struct check_case error_cases[], conformance_cases[], latch_cases[], release_cases[],
	abuse_cases[], load_cases[], random_cases[];
extern const size_t error_case_count, conformance_case_count, latch_case_count,
	release_case_count, abuse_case_count, load_case_count, random_case_count;

#endif
