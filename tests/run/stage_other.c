int other_wlroots(void);

int main(void) {
	return other_wlroots();
}
