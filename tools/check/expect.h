#ifndef SBX_CHECK_EXPECT_H
#define SBX_CHECK_EXPECT_H

#include "check/surface.h"

/**
 * Expectations. Each either holds or ends the check as not met with a sentence.
 *
 * "Must happen" is given env.patience_ms, "must not happen" is watched for env.quiet_ms; the
 * probe derives both from measured round trips and frames.
 *
 * Content is judged by captured pixels; where the compositor does not let one capture, by the
 * frame and presentation events of the commit.
 */

/** The picture is on the screen, or comes to be. */
void expect_shown(struct frame *frame);
/** The picture is not on the screen, and stays away: no pixel, no event. */
void expect_hidden(struct frame *frame);
/**
 * Same while a fence of ours is pending: a compositor that waits for it itself may show nothing
 * at all, which other checks judge. What cannot be captured now is not on the screen.
 */
void expect_hidden_while_pending(struct frame *frame);
/** The picture is on the screen and stays there. Without capture there is nothing to see. */
void expect_stays(struct frame *frame);
/** The picture, once shown, leaves the screen. */
void expect_gone(struct frame *frame);
/** Shown right now? No waiting; false without capture. */
bool is_shown(struct frame *frame);

/** The point is signalled, or comes to be. */
void expect_signalled(struct point point, const char *what);
/** The point is not signalled, and stays so. */
void expect_unsignalled(struct point point, const char *what);
void expect_released(struct frame *frame);

/**
 * The release point of a frame that nothing has replaced is not signalled; or if it is, the
 * compositor really has no more use for the buffer (it may have made a copy): what is then
 * drawn into it does not come to the screen.
 */
void expect_not_released(struct frame *frame);
/**
 * Same for a subsurface with nothing cached, nor in its parents: these may be committed, so that it
 * is drawn again.
 */
void expect_not_released_in_tree(struct frame *frame);

/** The compositor answers this client. */
void expect_served(struct client *client);

/** New, signalled, committed, expected on the screen. */
struct frame *show(struct surface *surface);
/** New, not signalled, committed. */
struct frame *hold(struct surface *surface);
/** New, signalled, committed; nothing expected. */
struct frame *put(struct surface *surface);

#endif
