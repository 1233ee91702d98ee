int binding_inner(void);
int binding_outer(void);

__attribute__((visibility("default"))) int binding_inner(void) {
	return 1;
}

__attribute__((visibility("default"))) int binding_outer(void) {
	return binding_inner() + 1;
}
