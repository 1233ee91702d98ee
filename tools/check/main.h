#ifndef SBX_CHECK_MAIN_H
#define SBX_CHECK_MAIN_H

/** What `signalbox check` exits with; the man page says the same. */
enum check_exit {
	CHECK_EXIT_MET = 0,      /**< every check that ran was met */
	CHECK_EXIT_NOT_MET = 1,  /**< at least one was not, or not all could run */
	CHECK_EXIT_USAGE = 2,    /**< the command line makes no sense */
	CHECK_EXIT_TROUBLE = 3,  /**< nothing could be tested: no compositor, no device, no buffer */
	CHECK_EXIT_NOTHING = 77, /**< the compositor does not offer linux-drm-syncobj-v1 */
};

/** `signalbox check`; argv[0] is "check". Returns one of enum check_exit. */
int check_main(int argc, char **argv);

#endif
