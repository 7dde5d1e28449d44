/* SPDX-License-Identifier: MIT */
#include "restart.h"

#include "macros.h"

int64_t restart_after(struct restart *r, const struct restart_policy *policy, int64_t served_ms,
		      uint32_t random)
{
	int64_t delay = policy->delay_ms;
	unsigned doublings;

	if (policy->stable_ms > 0 && served_ms >= policy->stable_ms)
		r->failures = 0;
	r->failures++;
	if (policy->limit && r->failures >= policy->limit)
		return RESTART_NEVER;
	if (served_ms >= 0 && r->failures == 1)
		return 0;
	doublings = r->failures - (served_ms >= 0 ? 2 : 1);
	while (doublings-- && delay < policy->delay_max_ms)
		delay *= 2;
	delay += delay / 4 - (delay ? random % (delay / 2 + 1) : 0);
	return MIN(delay, policy->delay_max_ms);
}
