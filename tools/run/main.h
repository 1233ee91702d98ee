#ifndef SBX_RUN_MAIN_H
#define SBX_RUN_MAIN_H

/** What `signalbox run` exits with when it is not the command that ends; the man page says the same. */
enum run_exit {
	RUN_EXIT_CHECKED = 0,     /**< --check: it would be joined */
	RUN_EXIT_NOT_JOINED = 1,  /**< --check: it would not, and the line says why */
	RUN_EXIT_USAGE = 2,       /**< the command line makes no sense */
	RUN_EXIT_TROUBLE = 126,   /**< the command is there and cannot be run */
	RUN_EXIT_NOT_FOUND = 127, /**< there is no such command */
};

/** `signalbox run`; argv[0] is "run". Returns only if the command does not run. */
int run_main(int argc, char **argv);

#endif
