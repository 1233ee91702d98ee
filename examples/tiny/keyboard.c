/*
 * Keyboards and key bindings.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <wlr/backend/session.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_keyboard.h>
#include <wlr/types/wlr_seat.h>
#include <xkbcommon/xkbcommon.h>
#include "tiny.h"

struct tiny_keyboard {
	struct tiny *tiny;
	struct wlr_keyboard *wlr;
	struct wl_list link;
	struct wl_listener key;
	struct wl_listener modifiers;
	struct wl_listener destroy;
};

static void start_terminal(void) {
	/* Forked twice, so that init and not we will wait for it. */
	pid_t pid = fork();
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (fork() == 0) {
			execl("/bin/sh", "sh", "-c", "exec ${TERMINAL:-foot}", (char *)NULL);
		}
		_exit(0);
	}
}

static bool switch_terminal(struct tiny *tiny, xkb_keysym_t symbol) {
	if (symbol < XKB_KEY_XF86Switch_VT_1 || symbol > XKB_KEY_XF86Switch_VT_12) {
		return false;
	}
	if (tiny->session != NULL) {
		wlr_session_change_vt(tiny->session, symbol - XKB_KEY_XF86Switch_VT_1 + 1);
	}
	return true;
}

/* usage() in main.c tells the user about these. */
static bool run_binding(struct tiny *tiny, xkb_keysym_t symbol) {
	switch (symbol) {
	case XKB_KEY_Escape:
		wl_display_terminate(tiny->display);
		return true;
	case XKB_KEY_Tab:
		tiny_window_focus_next(tiny);
		return true;
	case XKB_KEY_Return:
		start_terminal();
		return true;
	case XKB_KEY_q:
		if (tiny->focused != NULL) {
			tiny_window_close(tiny->focused);
		}
		return true;
	case XKB_KEY_f:
		if (tiny->focused != NULL) {
			tiny_window_toggle_fullscreen(tiny->focused);
		}
		return true;
	case XKB_KEY_minus:
	case XKB_KEY_equal:
		tiny_output_change_mode(tiny_output_at(tiny, tiny->cursor->x, tiny->cursor->y),
			symbol == XKB_KEY_equal);
		return true;
	default:
		return false;
	}
}

static bool run_bindings(struct tiny_keyboard *keyboard, uint32_t keycode) {
	const xkb_keysym_t *symbols;
	/* libinput counts from 0, xkb from 8. */
	int count = xkb_state_key_get_syms(keyboard->wlr->xkb_state, keycode + 8, &symbols);
	bool command = wlr_keyboard_get_modifiers(keyboard->wlr) == WLR_MODIFIER_ALT;
	for (int i = 0; i < count; i++) {
		if (switch_terminal(keyboard->tiny, symbols[i]) ||
				(command && run_binding(keyboard->tiny, symbols[i]))) {
			return true;
		}
	}
	return false;
}

static void handle_key(struct wl_listener *listener, void *data) {
	struct tiny_keyboard *keyboard = wl_container_of(listener, keyboard, key);
	const struct wlr_keyboard_key_event *event = data;
	struct wlr_seat *seat = keyboard->tiny->seat;
	if (event->state == WL_KEYBOARD_KEY_STATE_PRESSED && run_bindings(keyboard, event->keycode)) {
		return;
	}
	wlr_seat_set_keyboard(seat, keyboard->wlr);
	wlr_seat_keyboard_notify_key(seat, event->time_msec, event->keycode, event->state);
}

static void handle_modifiers(struct wl_listener *listener, void *data) {
	struct tiny_keyboard *keyboard = wl_container_of(listener, keyboard, modifiers);
	wlr_seat_set_keyboard(keyboard->tiny->seat, keyboard->wlr);
	wlr_seat_keyboard_notify_modifiers(keyboard->tiny->seat, &keyboard->wlr->modifiers);
}

static void keyboard_destroy(struct tiny_keyboard *keyboard) {
	wl_list_remove(&keyboard->link);
	tiny_unlisten(&keyboard->key);
	tiny_unlisten(&keyboard->modifiers);
	tiny_unlisten(&keyboard->destroy);
	free(keyboard);
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct tiny_keyboard *keyboard = wl_container_of(listener, keyboard, destroy);
	struct tiny *tiny = keyboard->tiny;
	keyboard_destroy(keyboard);
	tiny_seat_update_capabilities(tiny);
}

/* The layout comes from XKB_DEFAULT_LAYOUT and its like. */
static void set_default_keymap(struct wlr_keyboard *keyboard) {
	struct xkb_context *context = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
	struct xkb_keymap *keymap = context != NULL ?
		xkb_keymap_new_from_names(context, NULL, XKB_KEYMAP_COMPILE_NO_FLAGS) : NULL;
	if (keymap != NULL) {
		wlr_keyboard_set_keymap(keyboard, keymap);
	}
	xkb_keymap_unref(keymap);
	xkb_context_unref(context);
	wlr_keyboard_set_repeat_info(keyboard, 25, 600);
}

void tiny_keyboard_add(struct tiny *tiny, struct wlr_input_device *device) {
	struct tiny_keyboard *keyboard = calloc(1, sizeof(*keyboard));
	if (keyboard == NULL) {
		return;
	}
	keyboard->tiny = tiny;
	keyboard->wlr = wlr_keyboard_from_input_device(device);
	set_default_keymap(keyboard->wlr);
	wl_list_insert(&tiny->keyboards, &keyboard->link);
	tiny_listen(&keyboard->key, &keyboard->wlr->events.key, handle_key);
	tiny_listen(&keyboard->modifiers, &keyboard->wlr->events.modifiers, handle_modifiers);
	tiny_listen(&keyboard->destroy, &device->events.destroy, handle_destroy);
	wlr_seat_set_keyboard(tiny->seat, keyboard->wlr);
}

void tiny_keyboard_focus(struct tiny *tiny, struct wlr_surface *surface) {
	struct wlr_keyboard *keyboard = wlr_seat_get_keyboard(tiny->seat);
	if (surface == NULL) {
		wlr_seat_keyboard_notify_clear_focus(tiny->seat);
	} else if (keyboard != NULL) {
		wlr_seat_keyboard_notify_enter(tiny->seat, surface,
			keyboard->keycodes, keyboard->num_keycodes, &keyboard->modifiers);
	} else {
		/* The keys may come later: then this surface gets them. */
		wlr_seat_keyboard_notify_enter(tiny->seat, surface, NULL, 0, NULL);
	}
}

bool tiny_keyboard_has_command(struct tiny *tiny) {
	struct wlr_keyboard *keyboard = wlr_seat_get_keyboard(tiny->seat);
	return keyboard != NULL &&
		wlr_keyboard_get_modifiers(keyboard) == WLR_MODIFIER_ALT;
}

void tiny_keyboards_finish(struct tiny *tiny) {
	struct tiny_keyboard *keyboard, *next;
	wl_list_for_each_safe(keyboard, next, &tiny->keyboards, link) {
		keyboard_destroy(keyboard);
	}
}
