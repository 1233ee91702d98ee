/**
 * One pixel through a shader: how an image's bytes become RGBA, and back.
 */
#ifndef TESTS_RENDER_PIXEL_H
#define TESTS_RENDER_PIXEL_H

struct sbx_device;
struct sbx_image;
struct pixel_shaders;

struct pixel_shaders *pixel_shaders_create(struct sbx_device *device);
void pixel_shaders_destroy(struct pixel_shaders *shaders);

/** What a shader reads at 0,0: r, g, b, a. Fails the test on any error. */
void pixel_sample(struct pixel_shaders *shaders, struct sbx_image *image, float color[4]);

/** Let a shader write r, g, b, a to 0,0. */
void pixel_store(struct pixel_shaders *shaders, struct sbx_image *image, const float color[4]);

#endif
