#include <stddef.h>
#include "trace/event.h"

static const struct {
	const char *name;
	enum sbx_event_scope scope;
	const char *value, *extra;
} events[SBX_EVENT_KINDS] = {
#define X(kind, name, scope, value, extra) \
	[SBX_EVENT_##kind] = { name, SBX_SCOPE_##scope, value, extra },
	SBX_EVENTS(X)
#undef X
};

const char *sbx_event_name(enum sbx_event_kind kind) {
	return events[kind].name;
}

enum sbx_event_scope sbx_event_scope(enum sbx_event_kind kind) {
	return events[kind].scope;
}

const char *sbx_event_value_name(enum sbx_event_kind kind) {
	return events[kind].value;
}

const char *sbx_event_extra_name(enum sbx_event_kind kind) {
	return events[kind].extra;
}
