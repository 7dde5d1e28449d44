/* SPDX-License-Identifier: MIT */
#include "latency.h"

#include "macros.h"

void latency_add(uint64_t counts[LATENCY_COUNTS], int64_t us, unsigned n)
{
	unsigned bits = us > 0 ? 64 - (unsigned)__builtin_clzll((unsigned long long)us) : 0;

	counts[MIN(bits, LATENCY_COUNTS - 1)] += n;
}

uint64_t latency_within_us(const uint64_t counts[LATENCY_COUNTS], double part)
{
	double all = 0, seen = 0;

	for (unsigned n = 0; n < LATENCY_COUNTS; n++)
		all += (double)counts[n];
	for (unsigned n = 0; n < LATENCY_COUNTS && all > 0; n++) {
		seen += (double)counts[n];
		if (seen >= all * part && seen > 0)
			return UINT64_C(1) << n;
	}
	return 0;
}
