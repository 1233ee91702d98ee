/**
 * Whether a library's calls of a function that it exports itself can be answered by somebody who is loaded
 * before it. Libraries linked with -Bsymbolic-functions, as some distributions do, call their own.
 */
#ifndef SBX_PROTOCOL_BINDING_H
#define SBX_PROTOCOL_BINDING_H

#include <stdbool.h>

/** `function` is an address inside the library, `name` what it is called there. */
bool sbx_binding_is_open(const void *function, const char *name);

#endif
