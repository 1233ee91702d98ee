/* By its name a wlroots of another version. */
int other_wlroots(void);

__attribute__((visibility("default"))) int other_wlroots(void) {
	return 6;
}
