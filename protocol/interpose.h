/**
 * wlroots' own functions for explicit sync, answered for our surfaces. wlroots' scene and cursor ask by
 * them what to wait for, and tell by them who reads; a compositor without wlr_scene may do so, too.
 * libsignalbox exports functions of these names. Loaded before wlroots, it is the one that is asked, by
 * the compositor and by wlroots itself; what is not about our surfaces is passed on.
 *
 * - wlr_linux_drm_syncobj_v1_get_surface_state(): while a surface's content is on loan, what to wait for is
 *   the loan's offer (offer.h). Thus content that latched before its fence signalled reaches no display
 *   engine and no parent compositor without it.
 * - ..._state_add_release_point(): one reader more for the loan.
 * - ..._state_signal_release_with_buffer(): nothing to do, since a loan lasts as long as the buffer is
 *   locked.
 * - wlr_linux_drm_syncobj_manager_v1_create(): on a display of ours, ours, once more.
 */
#ifndef SBX_PROTOCOL_INTERPOSE_H
#define SBX_PROTOCOL_INTERPOSE_H

#include <stdbool.h>

/**
 * Whether wlroots and the compositor really ask us; it is tried. Says so in one line, the first time.
 *
 * False: libsignalbox is linked or loaded behind wlroots, or wlroots calls its own functions directly.
 * Then wlroots knows nothing of the loans, and content must not be shown before it has been signalled.
 */
bool sbx_interpose_is_asked(void);

#endif
