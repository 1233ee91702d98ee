/**
 * Files that may be lost: $XDG_CACHE_HOME/signalbox (~/.cache/signalbox), kept between runs.
 *
 * What is read back is what was written, by this user and for this version, or nothing. A folder or a file
 * that belongs to somebody else, that others may write to, or that is a link in the place of one, is left
 * alone: its content would go to a driver. Nothing of this matters to a setuid program: it has no cache.
 * When a file is written, those of its kind (the part of the name before the first dash) that nobody has
 * read for three months are removed.
 */
#ifndef SBX_RENDER_CACHE_FILE_H
#define SBX_RENDER_CACHE_FILE_H

#include <stddef.h>
#include <stdint.h>

/** The largest content. */
#define SBX_CACHE_FILE_MAX (64 * 1024 * 1024)

/**
 * The content of the file `name` (no slashes), the caller's to free, and its size; NULL, 0: there is none,
 * it is of another version, or it is damaged.
 */
void *sbx_cache_file_read(const char *name, uint64_t version, size_t *size);

/**
 * Replace the file by this content. Whoever reads it meanwhile gets the old content or the new. That it
 * cannot be written is no failure.
 */
void sbx_cache_file_write(const char *name, uint64_t version, const void *content, size_t size);

/** A number that is another one for other bytes, almost always. Nobody's secrets are safe with it. */
uint64_t sbx_cache_file_hash(const void *content, size_t size);

#endif
