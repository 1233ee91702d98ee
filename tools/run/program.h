/**
 * A program, looked at as a file: whether the loader would take a preload along.
 */
#ifndef SBX_RUN_PROGRAM_H
#define SBX_RUN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Where execvp() would find `command`: a name with a slash as it is, others along PATH. `path` has room
 * for `size` bytes. False: there is none, and errno says why (ENOENT, EACCES).
 */
bool program_find(const char *command, char *path, size_t size);

/**
 * NULL: an ordinary dynamically linked program of this machine's kind. Otherwise why nothing can be
 * loaded into it: the end of the sentence "sway is not joined: it ...". Static.
 */
const char *program_obstacle(const char *path);

#endif
