#include "loan/trust.h"

#define MS_NS INT64_C(1000000)
/* Beyond this nobody cares any more, and nothing can overflow. */
#define LONGEST_DELAY_NS (INT64_C(3600) * 1000 * MS_NS)

enum trust_event {
	KEPT,
	BROKEN,
	ASKED,
};

static int64_t time_out_ns(const struct sbx_trust *trust) {
	return (SBX_TRUST_MIN_MS * MS_NS) << trust->doublings;
}

static void stay_fallen_until(struct sbx_trust *trust, int64_t until_ns) {
	if (trust->until_ns < until_ns) {
		trust->until_ns = until_ns;
	}
}

static void make_amends(struct sbx_trust *trust) {
	if (++trust->kept >= SBX_TRUST_AMENDS) {
		trust->kept = 0;
		trust->doublings -= trust->doublings > 0;
	}
}

static void fall(struct sbx_trust *trust, int64_t now_ns) {
	trust->state = SBX_TRUST_FALLEN;
	trust->kept = 0;
	stay_fallen_until(trust, now_ns + time_out_ns(trust));
	trust->doublings += time_out_ns(trust) < SBX_TRUST_MAX_MS * MS_NS;
}

static void handle_trusted(struct sbx_trust *trust, enum trust_event event, int64_t now_ns) {
	switch (event) {
	case KEPT:
		make_amends(trust);
		return;
	case BROKEN:
		fall(trust, now_ns);
		return;
	case ASKED:
		return;
	}
}

/* What was relied on before it fell may still turn out one way or the other. */
static void handle_fallen(struct sbx_trust *trust, enum trust_event event, int64_t now_ns) {
	switch (event) {
	case KEPT:
	case BROKEN:
		return;
	case ASKED:
		if (now_ns >= trust->until_ns) {
			trust->state = SBX_TRUST_TRUSTED;
		}
		return;
	}
}

static void handle(struct sbx_trust *trust, enum trust_event event, int64_t now_ns) {
	switch (trust->state) {
	case SBX_TRUST_TRUSTED:
		handle_trusted(trust, event, now_ns);
		return;
	case SBX_TRUST_FALLEN:
		handle_fallen(trust, event, now_ns);
		return;
	}
}

bool sbx_trust_is_trusted(struct sbx_trust *trust, int64_t now_ns) {
	handle(trust, ASKED, now_ns);
	return trust->state == SBX_TRUST_TRUSTED;
}

void sbx_trust_keep(struct sbx_trust *trust) {
	handle(trust, KEPT, 0);
}

void sbx_trust_break(struct sbx_trust *trust, int64_t now_ns) {
	handle(trust, BROKEN, now_ns);
}

void sbx_trust_know_delay(struct sbx_trust *trust, int64_t now_ns, int64_t late_ns) {
	if (late_ns > LONGEST_DELAY_NS) {
		late_ns = LONGEST_DELAY_NS;
	}
	if (late_ns > 0) {
		trust->state = SBX_TRUST_FALLEN;
		stay_fallen_until(trust, now_ns + late_ns * SBX_TRUST_FACTOR);
	}
}
