/* icc-profile GAMMA: a profile of tests/wlr/icc.h to standard output. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "wlr/icc.h"

int main(int argc, char *argv[]) {
	double gamma = argc == 2 ? atof(argv[1]) : 0;
	if (!(gamma > 0 && gamma < 10)) {
		fprintf(stderr, "usage: icc-profile GAMMA\n");
		return EXIT_FAILURE;
	}
	size_t size;
	void *profile = icc_create(gamma, &size);
	bool ok = fwrite(profile, 1, size, stdout) == size && fflush(stdout) == 0;
	free(profile);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
