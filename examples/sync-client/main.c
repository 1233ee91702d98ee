/*
 * Options and the event loop. See usage() for how to use it and client.h for a map.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wayland-client.h>
#include <xf86drm.h>
#include "client.h"

/* A compositor that keeps a buffer for longer than this has lost it. */
#define STARVED_NS 10000000000ull

static volatile sig_atomic_t interrupted;

static void usage(FILE *file) {
	fputs("Usage: sync-client [OPTIONS]\n"
		"A Wayland client that commits dma-bufs with explicit acquire and release points.\n"
		"\n"
		"  --late MS          commit first and draw afterwards, for so long; the acquire point\n"
		"                     is signalled when all is drawn\n"
		"  --fence KIND       how the acquire point waits: vgem (a real pending fence), cpu (the\n"
		"                     point does not exist before), any (default: vgem if there is one)\n"
		"  --no-wait-control  signal the acquire point before drawing: what is shown must tear\n"
		"  --no-points        use implicit sync, whatever the compositor offers\n"
		"  --memory KIND      dumb (needs the primary DRM node), udmabuf, any (default)\n"
		"  --node PATH        dumb buffers of this DRM node, not of the compositor's\n"
		"  --buffers N        2 to 8 (default 3)\n"
		"  --size WxH         default 320x240\n"
		"  --palette N        colours, 0 to 3\n"
		"  --fullscreen\n"
		"  --name NAME        title and app id\n"
		"  --frames N         end after N frames\n"
		"  --hold N           draw N frames and leave the last one there\n"
		"  --seconds S        end after S seconds\n"
		"  --stats FILE       also write the numbers to FILE, as lines \"name value\"\n"
		"  --presented FILE   write a line to FILE for each frame that was on the monitor: the number of the\n"
		"                     vertical blank from which on it was, and when that was, in seconds\n"
		"  --help\n", file);
}

static bool parse_count(const char *text, long minimum, long maximum, long *value) {
	char *end;
	*value = strtol(text, &end, 10);
	return *end == '\0' && end != text && *value >= minimum && *value <= maximum;
}

static bool parse_size(const char *text, struct options *options) {
	char rest;
	return sscanf(text, "%dx%d%c", &options->width, &options->height, &rest) == 2 &&
		options->width >= PICTURE_MIN_SIZE && options->width <= PICTURE_MAX_SIZE &&
		options->height >= PICTURE_MIN_SIZE && options->height <= PICTURE_MAX_SIZE;
}

static bool parse_choice(const char *text, const char *const choices[3], unsigned *choice) {
	for (*choice = 0; *choice < 3; (*choice)++) {
		if (strcmp(text, choices[*choice]) == 0) {
			return true;
		}
	}
	return false;
}

static bool parse_option(struct options *options, int option, const char *value) {
	static const char *const memories[] = { "any", "dumb", "udmabuf" };
	static const char *const fences[] = { "any", "vgem", "cpu" };
	long number = 0;
	unsigned choice = 0;
	bool ok = true;
	switch (option) {
	case 'l':
		ok = parse_count(value, 0, 9000, &number);
		options->late_ns = (uint64_t)number * 1000000;
		break;
	case 'F':
		ok = parse_choice(value, fences, &choice);
		options->fence = choice;
		break;
	case 'm':
		ok = parse_choice(value, memories, &choice);
		options->memory = choice;
		break;
	case 'd':
		options->node = value;
		break;
	case 'c':
		options->no_wait = true;
		break;
	case 'b':
		ok = parse_count(value, 2, MAX_BUFFERS, &number);
		options->buffers = number;
		break;
	case 's':
		ok = parse_size(value, options);
		break;
	case 'p':
		ok = parse_count(value, 0, PICTURE_PALETTES - 1, &number);
		options->palette = number;
		break;
	case 'f':
		options->fullscreen = true;
		break;
	case 'n':
		options->name = value;
		break;
	case 'N':
		ok = parse_count(value, 1, INT32_MAX, &number);
		options->frames = number;
		break;
	case 'H':
		ok = parse_count(value, 1, INT32_MAX, &number);
		options->hold = number;
		break;
	case 'P':
		options->no_points = true;
		break;
	case 'S':
		ok = parse_count(value, 1, 1000000, &number);
		options->run_ns = (uint64_t)number * 1000000000;
		break;
	case 'T':
		options->stats_path = value;
		break;
	case 'O':
		options->presented_path = value;
		break;
	default:
		return false;
	}
	return ok;
}

static bool parse_options(struct options *options, int argc, char *argv[]) {
	static const struct option list[] = {
		{ "late", required_argument, NULL, 'l' },
		{ "fence", required_argument, NULL, 'F' },
		{ "no-wait-control", no_argument, NULL, 'c' },
		{ "memory", required_argument, NULL, 'm' },
		{ "node", required_argument, NULL, 'd' },
		{ "buffers", required_argument, NULL, 'b' },
		{ "size", required_argument, NULL, 's' },
		{ "palette", required_argument, NULL, 'p' },
		{ "fullscreen", no_argument, NULL, 'f' },
		{ "name", required_argument, NULL, 'n' },
		{ "frames", required_argument, NULL, 'N' },
		{ "hold", required_argument, NULL, 'H' },
		{ "no-points", no_argument, NULL, 'P' },
		{ "seconds", required_argument, NULL, 'S' },
		{ "stats", required_argument, NULL, 'T' },
		{ "presented", required_argument, NULL, 'O' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;
	while ((option = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			exit(0);
		}
		if (!parse_option(options, option, optarg)) {
			if (option != '?') {
				fprintf(stderr, "sync-client: cannot use \"%s\"\n", optarg);
			}
			return false;
		}
	}
	if (options->no_wait && options->late_ns == 0) {
		options->late_ns = 40 * 1000000;
	}
	return optind == argc;
}

static void handle_signal(int number) {
	interrupted = 1;
}

/* Whoever opens a primary node first becomes its master, which is not what we want. */
static int open_node(const char *path) {
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && drmIsMaster(fd)) {
		drmDropMaster(fd);
	}
	return fd;
}

/* The primary node of the compositor's device where we may open it, else its render node. */
static bool open_device(struct client *client) {
	drmDevice *device = NULL;
	client->drm_fd = -1;
	if (drmGetDeviceFromDevId(client->device, 0, &device) == 0) {
		const int nodes[] = { DRM_NODE_PRIMARY, DRM_NODE_RENDER };
		for (int i = 0; i < 2 && client->drm_fd < 0; i++) {
			if (device->available_nodes & 1 << nodes[i]) {
				client->drm_fd = open_node(device->nodes[nodes[i]]);
			}
		}
		drmFreeDevice(&device);
	}
	if (client->drm_fd < 0 && client->explicit_sync) {
		fputs("sync-client: cannot open the compositor's DRM device\n", stderr);
		return false;
	}
	const char *node = client->options.node;
	client->memory_fd = node != NULL ? open_node(node) : client->drm_fd;
	if (client->memory_fd < 0 && node != NULL) {
		fprintf(stderr, "sync-client: cannot open %s\n", node);
		return false;
	}
	return true;
}

static bool open_fences(struct client *client) {
	const struct options *options = &client->options;
	client->vgem_fd = -1;
	if (options->fence != FENCE_CPU && options->late_ns > 0 && !options->no_wait) {
		client->vgem_fd = vgem_open();
	}
	if (options->fence == FENCE_VGEM && client->vgem_fd < 0) {
		fputs("sync-client: there is no vgem device\n", stderr);
		return false;
	}
	return true;
}

/* Read what woke us; timeline_is_signalled() tells what it means. */
static void clear_events(struct client *client) {
	for (int i = 0; i < client->options.buffers; i++) {
		uint64_t count;
		if (client->explicit_sync &&
				read(client->buffers[i].release_fd, &count, sizeof(count)) < 0) {
			continue;
		}
	}
}

static int timeout_ms(const struct client *client, uint64_t until_ns) {
	uint64_t now = now_ns();
	/* Kernels before 6.6 cannot tell us about points: look often. */
	const int at_most = client->must_poll ? 5 : 100;
	if (until_ns == 0) {
		return at_most;
	}
	uint64_t ms = until_ns > now ? (until_ns - now + 999999) / 1000000 : 0;
	return ms < (uint64_t)at_most ? (int)ms : at_most;
}

static bool wait_for_events(struct client *client, uint64_t until_ns) {
	struct pollfd fds[1 + MAX_BUFFERS] = {
		{ .fd = wl_display_get_fd(client->display), .events = POLLIN },
	};
	for (int i = 0; i < client->options.buffers; i++) {
		fds[1 + i] = (struct pollfd){
			.fd = client->explicit_sync ? client->buffers[i].release_fd : -1,
			.events = POLLIN,
		};
	}
	while (wl_display_prepare_read(client->display) != 0) {
		if (wl_display_dispatch_pending(client->display) < 0) {
			return false;
		}
	}
	if (wl_display_flush(client->display) < 0 && errno != EAGAIN) {
		wl_display_cancel_read(client->display);
		return false;
	}
	poll(fds, 1 + client->options.buffers, timeout_ms(client, until_ns));
	if (!(fds[0].revents & (POLLIN | POLLHUP | POLLERR))) {
		wl_display_cancel_read(client->display);
	} else if (wl_display_read_events(client->display) < 0) {
		return false;
	}
	clear_events(client);
	return wl_display_dispatch_pending(client->display) >= 0;
}

static bool is_over(const struct client *client) {
	const struct options *options = &client->options;
	return interrupted || client->closed || client->failed ||
		(options->frames > 0 && client->frames >= options->frames) ||
		(options->run_ns > 0 && now_ns() - client->start_ns >= options->run_ns);
}

/* Every buffer is with the compositor, and it asks for another frame all the same. */
static bool is_starved(const struct client *client) {
	uint64_t latest = 0;
	for (int i = 0; i < client->options.buffers; i++) {
		const struct buffer *buffer = &client->buffers[i];
		if (buffer->state == BUFFER_FREE) {
			return false;
		}
		latest = buffer->committed_ns > latest ? buffer->committed_ns : latest;
	}
	return client->wants_frame && now_ns() - latest > STARVED_NS;
}

static bool run(struct client *client) {
	client->start_ns = now_ns();
	while (!is_over(client)) {
		if (!wait_for_events(client, frames_step(client))) {
			int error = wl_display_get_error(client->display);
			fprintf(stderr, "sync-client: the compositor ended the connection: %s\n",
				strerror(error != 0 ? error : errno));
			client->failed = true;
		}
		if (is_starved(client)) {
			fputs("sync-client: no buffer was released for 10 s\n", stderr);
			client->failed = true;
		}
	}
	client->end_ns = now_ns();
	return !client->failed;
}

static void write_series(FILE *file, const char *name, struct series *series) {
	fprintf(file, "%s_mean_us %" PRIu64 "\n", name, series_mean(series) / 1000);
	fprintf(file, "%s_p10_us %" PRIu64 "\n", name, series_percentile(series, 10) / 1000);
	fprintf(file, "%s_p50_us %" PRIu64 "\n", name, series_percentile(series, 50) / 1000);
	fprintf(file, "%s_p95_us %" PRIu64 "\n", name, series_percentile(series, 95) / 1000);
	fprintf(file, "%s_max_us %" PRIu64 "\n", name, series_percentile(series, 100) / 1000);
}

static const char *describe_sync(const struct client *client) {
	return !client->explicit_sync ? "implicit" : client->options.no_wait ? "control" :
		client->options.late_ns == 0 ? "ready" : client->vgem_fd >= 0 ? "vgem" : "cpu";
}

static bool write_stats(struct client *client) {
	FILE *file = fopen(client->options.stats_path, "we");
	if (file == NULL) {
		fprintf(stderr, "sync-client: %s: %s\n", client->options.stats_path, strerror(errno));
		return false;
	}
	fprintf(file, "name %s\nsync %s\nlate_ms %" PRIu64 "\nmemory %s\n", client->options.name,
		describe_sync(client), client->options.late_ns / 1000000,
		client->buffers[0].memory.kind == MEMORY_DUMB ? "dumb" : "udmabuf");
	fprintf(file, "elapsed_us %" PRIu64 "\n", (client->end_ns - client->start_ns) / 1000);
	fprintf(file, "frames %" PRIu64 "\npresented %" PRIu64 "\ndiscarded %" PRIu64 "\n",
		client->frames, client->presented, client->discarded);
	fprintf(file, "released %zu\n", client->releases.count);
	fprintf(file, "early_releases %" PRIu64 "\nearly_shows %" PRIu64 "\n",
		client->early_releases, client->early_shows);
	write_series(file, "acquire", &client->acquire_waits);
	write_series(file, "release", &client->releases);
	write_series(file, "display", &client->displays);
	write_series(file, "latency", &client->latencies);
	return fclose(file) == 0;
}

static void print_series(const char *what, struct series *series) {
	printf("  %-32s mean %6.2f  median %6.2f  95%% %6.2f  max %6.2f ms\n", what,
		series_mean(series) / 1e6, series_percentile(series, 50) / 1e6,
		series_percentile(series, 95) / 1e6, series_percentile(series, 100) / 1e6);
}

static void print_stats(struct client *client) {
	double seconds = (client->end_ns - client->start_ns) / 1e9;
	printf("%s: %" PRIu64 " frames in %.1f s (%.1f a second), %" PRIu64 " on the monitor; %s, "
		"%d buffers of %s\n", client->options.name, client->frames, seconds,
		client->frames / seconds, client->presented, describe_sync(client),
		client->options.buffers, memory_kind_name(client->buffers[0].memory.kind));
	print_series("acquire wait (commit to drawn)", &client->acquire_waits);
	print_series("release (replaced to released)", &client->releases);
	print_series("display (drawn to monitor)", &client->displays);
	print_series("latency (commit to monitor)", &client->latencies);
	printf("  released while still in use: %" PRIu64 ", shown before drawn: %" PRIu64 "\n",
		client->early_releases, client->early_shows);
}

static bool open_presented(struct client *client) {
	const char *path = client->options.presented_path;
	client->presented_file = path != NULL ? fopen(path, "we") : NULL;
	if (path != NULL && client->presented_file == NULL) {
		fprintf(stderr, "sync-client: %s: %s\n", path, strerror(errno));
		return false;
	}
	if (client->presented_file != NULL) {
		setlinebuf(client->presented_file); /* it is read meanwhile */
	}
	return true;
}

static void finish(struct client *client) {
	frames_finish(client);
	window_finish(client);
	if (client->presented_file != NULL) {
		fclose(client->presented_file);
	}
	if (client->vgem_fd >= 0) {
		close(client->vgem_fd);
	}
	if (client->memory_fd >= 0 && client->memory_fd != client->drm_fd) {
		close(client->memory_fd);
	}
	if (client->drm_fd >= 0) {
		close(client->drm_fd);
	}
}

int main(int argc, char *argv[]) {
	static struct client client = {
		.options = { .name = "sync-client", .width = 320, .height = 240, .buffers = 3 },
		.drm_fd = -1,
		.memory_fd = -1,
		.vgem_fd = -1,
	};
	if (!parse_options(&client.options, argc, argv)) {
		usage(stderr);
		return 2;
	}
	struct sigaction action = { .sa_handler = handle_signal };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	bool ok = open_presented(&client) && window_init(&client) && open_device(&client) &&
		open_fences(&client) && frames_init(&client) && run(&client);
	if (client.end_ns != 0) {
		print_stats(&client);
		ok = (client.options.stats_path == NULL || write_stats(&client)) && ok;
	}
	finish(&client);
	return ok ? 0 : 1;
}
