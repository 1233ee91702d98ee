/**
 * A small ICC profile: a monitor with sRGB's primaries whose light is a power of its values.
 */
#ifndef TESTS_WLR_ICC_H
#define TESTS_WLR_ICC_H

#include <stddef.h>

/** *size bytes, to be freed. Version 2.1, of the display class. */
void *icc_create(double gamma, size_t *size);

#endif
