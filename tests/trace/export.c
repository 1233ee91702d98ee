#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "harness/recording.h"

/* Times are in microseconds. */
static void add(enum sbx_event_kind kind, uint64_t loan, int64_t at_us, uint64_t value, uint64_t extra) {
	struct sbx_event event = {
		.time_ns = at_us * 1000,
		.kind = kind,
		.value = value,
		.extra = extra,
	};
	if (sbx_event_scope(kind) == SBX_SCOPE_LOAN) {
		event.subject = (struct sbx_subject){
			.loan = loan, .pid = 4242, .surface = 14, .acquire_timeline = 20, .release_timeline = 21,
			.acquire_point = loan, .release_point = loan,
		};
	} else {
		event.output = loan;
	}
	sbx_recorder_add(&event);
}

/* A loan that is read by one pass, and the output's commit that shows that pass. */
static void add_frame(uint64_t loan, int64_t at_us, uint32_t output) {
	add(SBX_EVENT_COMMITTED, loan, at_us, 0, 0);
	add(SBX_EVENT_MATERIALISED, loan, at_us + 100, 0, 0);
	add(SBX_EVENT_SIGNALLED, loan, at_us + 3000, 0, 0);
	add(SBX_EVENT_LATCHED, loan, at_us + 3010, 0, 0);
	add(SBX_EVENT_PASS_BEGAN, 0, at_us + 4000, loan, 77);
	add(SBX_EVENT_READ, loan, at_us + 4100, loan, 0);
	add(SBX_EVENT_PASS_SUBMITTED, 0, at_us + 4200, loan, loan);
	add(SBX_EVENT_GPU_BEGAN, 0, at_us + 4250, loan, 900);
	add(SBX_EVENT_PASS_ENDED, 0, at_us + 4300, loan, 0);
	add(SBX_EVENT_GPU_ENDED, 0, at_us + 5000, loan, 900);
	add(SBX_EVENT_OUTPUT_COMMITTED, output, at_us + 4400, loan, 77);
	add(SBX_EVENT_OUTPUT_PRESENTED, output, at_us + 16000, loan, 16666666);
	add(SBX_EVENT_REPLACED, loan, at_us + 20010, 0, 0);
	add(SBX_EVENT_RELEASED, loan, at_us + 21000, 1, 0);
}

/* Everything that can happen, twice, with names that are not nice. */
static void make_recording(void) {
	recording_start();
	uint32_t output = sbx_recorder_name_output("DP-1 \"\\\x01\xff</script>");
	sbx_recorder_name_client(4242, "fo\"o\\\n\xe9");
	for (uint64_t loan = 1; loan <= 5; loan++) {
		add_frame(loan, 1000000 + (int64_t)loan * 17000, output);
	}
	add(SBX_EVENT_COMMITTED, 6, 1200000, 0, 0);
	add(SBX_EVENT_SUPERSEDED, 6, 1201000, 0, 0);
	add(SBX_EVENT_LATCHED, 6, 1201001, 0, 0);
	add(SBX_EVENT_REPLACED, 6, 1201002, 0, 0);
	add(SBX_EVENT_RELEASED, 6, 1201003, 0, 0);
	add(SBX_EVENT_COMMITTED, 7, 1200000, 0, 0);
	add(SBX_EVENT_MATERIALISED, 7, 1200001, 0, 0);
	add(SBX_EVENT_FAILED, 7, 1200900, 0, 0);
	add(SBX_EVENT_REPLACED, 7, 1200900, 0, 0);
	add(SBX_EVENT_RELEASED, 7, 1200900, 0, 0);
	add(SBX_EVENT_COMMITTED, 8, 1300000, 0, 0);
	add(SBX_EVENT_SIGNALLED, 8, 1300000, 0, 0);
	add(SBX_EVENT_LATCHED, 8, 1300000, 0, 0);
	add(SBX_EVENT_SCANOUT_QUEUED, 8, 1300010, 90, 0);
	add(SBX_EVENT_SCANNED_OUT, 8, 1310000, 90, 0);
	add(SBX_EVENT_REPLACED, 8, 1312000, 0, 0);
	add(SBX_EVENT_FLIPPED_AWAY, 8, 1326000, 91, 0);
	add(SBX_EVENT_RELEASED, 8, 1326010, 0, 0);
	// Of these the beginning, or the end, is not known.
	add(SBX_EVENT_REPLACED, 9, 1300000, 0, 0);
	add(SBX_EVENT_RELEASED, 9, 1300100, 0, 0);
	add(SBX_EVENT_COMMITTED, 10, 1400000, 0, 0);
	add(SBX_EVENT_STALLED, 10, 2400000, 1000000000, 0);
	add(SBX_EVENT_FORCED, 10, 2500000, 0, 0);
	add(SBX_EVENT_PASS_BEGAN, 0, 2600000, 60, 77);
	add(SBX_EVENT_PASS_ENDED, 0, 2600000, 60, ENOMEM);
	add(SBX_EVENT_GPU_ENDED, 0, 2600000, 61, 0);
	add(SBX_EVENT_OUTPUT_COMMITTED, output, 2600000, 92, 12345);
	add(SBX_EVENT_OUTPUT_PRESENTED, output, 2600000, 93, 0);
	add(SBX_EVENT_READ, 10, 2600000, 4000, 0);
}

static char *write_to_memory(void) {
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	assert_int_equal(sbx_trace_write(file), 0);
	fclose(file);
	return text;
}

static unsigned count(const char *text, const char *what) {
	unsigned n = 0;
	for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
		n++;
	}
	return n;
}

static void test_slices(void **state) {
	make_recording();
	char *text = write_to_memory();
	assert_int_equal(count(text, "\"name\":\"loan "), 10);
	assert_int_equal(count(text, "\"name\":\"content\""), 7);
	assert_int_equal(count(text, "\"name\":\"superseded\""), 1);
	assert_int_equal(count(text, "\"name\":\"failed\""), 1);
	assert_int_equal(count(text, "\"name\":\"forced\""), 1);
	assert_int_equal(count(text, "\"name\":\"stalled\""), 1);
	assert_int_equal(count(text, "\"name\":\"flipped-away\""), 1);
	// Five passes on the CPU and on the GPU, and one that failed.
	assert_int_equal(count(text, "\"name\":\"pass "), 11);
	assert_int_equal(count(text, "\"name\":\"read\""), 10);
	assert_int_equal(count(text, "\"name\":\"shown\""), 10);
	assert_int_equal(count(text, "\"ts\":1017000.000,\"dur\":21000.000"), 1);
	// Two loans at a time: another track.
	assert_int_equal(count(text, "\"wl_surface#14\""), 1);
	assert_int_equal(count(text, "\"wl_surface#14 (2)\""), 1);
	free(text);
	recording_stop();
}

static void test_empty(void **state) {
	recording_start();
	char *text = write_to_memory();
	assert_int_equal(strncmp(text, "{\"traceEvents\":[\n],", 19), 0);
	assert_non_null(strstr(text, "\"lost_events\":0,"));
	free(text);
	recording_stop();
}

static void test_overflow(void **state) {
	recording_start();
	for (uint64_t loan = 1; loan < SBX_TRACE_DEFAULT_EVENTS; loan++) {
		add_frame(loan, (int64_t)loan * 17000, 0);
	}
	char *text = write_to_memory();
	// 14 events a frame: what is lost is said, what is there is whole.
	char lost[64];
	snprintf(lost, sizeof(lost), "\"events\":%d,\"lost_events\":%d,", SBX_TRACE_DEFAULT_EVENTS,
		14 * (SBX_TRACE_DEFAULT_EVENTS - 1) - SBX_TRACE_DEFAULT_EVENTS);
	assert_non_null(strstr(text, lost));
	assert_int_equal(count(text, "\"name\":\"loan "), SBX_TRACE_DEFAULT_EVENTS / 14 + 1);
	free(text);
	recording_stop();
}

static void test_path(void **state) {
	char path[] = "/tmp/sbx-trace-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "old", 3), 3);
	make_recording();
	assert_int_equal(sbx_trace_write_path(path), 0);
	struct stat old, new;
	assert_int_equal(fstat(fd, &old), 0);
	assert_int_equal(stat(path, &new), 0);
	// Another file in its place: who reads the old one is not disturbed.
	assert_int_equal(old.st_size, 3);
	assert_true(new.st_size > 1000);
	assert_int_equal(new.st_mode & 0777, 0600);
	assert_int_equal(sbx_trace_write_fd(fd), 0);
	assert_int_equal(fstat(fd, &old), 0);
	assert_int_equal(old.st_size, 3 + new.st_size);
	assert_int_equal(fcntl(fd, F_GETFD) >= 0, true);
	close(fd);
	unlink(path);
	assert_int_equal(sbx_trace_write_path("/no/such/folder/trace.json"), -ENOENT);
	assert_int_equal(sbx_trace_write_fd(-1), -EBADF);
	recording_stop();
}

static void test_full_disk(void **state) {
	make_recording();
	FILE *file = fopen("/dev/full", "w");
	assert_non_null(file);
	assert_int_equal(sbx_trace_write(file), -ENOSPC);
	fclose(file);
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(sbx_trace_write_fd(fd), -ENOSPC);
	close(fd);
	recording_stop();
}

static void *record_on(void *data) {
	for (uint64_t loan = 1; !__atomic_load_n((bool *)data, __ATOMIC_ACQUIRE); loan++) {
		add_frame(loan, (int64_t)loan * 17000, 1);
	}
	return NULL;
}

/* Someone writes it while others go on recording. */
static void test_concurrent(void **state) {
	bool stop = false;
	pthread_t threads[2];
	recording_start();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, record_on, &stop), 0);
	}
	for (int i = 0; i < 5; i++) {
		char *text = write_to_memory();
		assert_int_equal(strcmp(text + strlen(text) - 3, "}}\n"), 0);
		free(text);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
	}
	recording_stop();
}

static const struct CMUnitTest host[] = {
	{ "export: slices, arrows and tracks", test_slices, NULL, NULL, NULL },
	{ "export: nothing", test_empty, NULL, NULL, NULL },
	{ "export: more than there is room for", test_overflow, NULL, NULL, NULL },
	{ "export: to a file, to an fd", test_path, NULL, NULL, NULL },
	{ "export: a full disk", test_full_disk, NULL, NULL, NULL },
	{ "export: while others record", test_concurrent, NULL, NULL, NULL },
};

/* "write FILE": for perfetto.py. */
int main(int argc, char *argv[]) {
	if (argc == 3 && strcmp(argv[1], "write") == 0) {
		make_recording();
		int ret = sbx_trace_write_path(argv[2]);
		recording_stop();
		return ret == 0 ? 0 : 1;
	}
	return suite_run(argc, argv, "trace/export", host, SUITE_COUNT(host), NULL, 0);
}
