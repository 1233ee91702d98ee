#ifndef SBX_TRACING_MAIN_H
#define SBX_TRACING_MAIN_H

/** `signalbox trace`; argv[0] is "trace". Returns the exit status: 0, 1 (no such recording), 2 (usage). */
int trace_main(int argc, char **argv);

#endif
