/**
 * Which pixel formats the compositor is told of.
 */
#ifndef SBX_RENDER_WLR_FORMATS_H
#define SBX_RENDER_WLR_FORMATS_H

struct sbx_renderer;

/**
 * Fill renderer->shm_formats, dmabuf_formats and render_formats from what the device can do. 0, or
 * -ENOTSUP when a compositor could not work with them (logged), or another negative errno. What was
 * filled stays for sbx_formats_finish().
 */
int sbx_formats_init(struct sbx_renderer *renderer);
void sbx_formats_finish(struct sbx_renderer *renderer);

#endif
