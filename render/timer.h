/**
 * What a batch tells its timer. The public half is in batch.h.
 */
#ifndef SBX_RENDER_TIMER_H
#define SBX_RENDER_TIMER_H

#include <stdint.h>
#include <volk.h>

struct sbx_timer;

/** Record the first timestamp; returns the pair of queries taken. */
unsigned sbx_timer_begin(struct sbx_timer *timer, VkCommandBuffer commands);
/** Record the second one of `pair`. */
void sbx_timer_end(struct sbx_timer *timer, unsigned pair, VkCommandBuffer commands);
/** `pair` is on its way as submission `value`. */
void sbx_timer_sent(struct sbx_timer *timer, unsigned pair, uint64_t value);

#endif
