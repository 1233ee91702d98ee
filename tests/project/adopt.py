#!/usr/bin/python3
"""The changes that docs/integrating.md asks of a compositor are true: what it shows compiles, before and
after.

usage: adopt.py ROOT CC...
"""

import os
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r'^```diff\n(.*?)^```', re.MULTILINE | re.DOTALL)

# What the page leaves out.
PRELUDE = '''
#include <signalbox/renderer.h>
#include <signalbox/syncobj.h>
#include <wlr/backend.h>
#include <wlr/render/allocator.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/render/pass.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_linux_drm_syncobj_v1.h>
#include <wlr/types/wlr_output.h>

struct server {
	struct wl_display *display;
	struct wlr_backend *backend;
	struct wlr_renderer *renderer;
	struct wlr_allocator *allocator;
};

struct frame {
	struct wlr_output *output;
	struct wlr_render_pass *pass;
	struct wlr_drm_syncobj_timeline *timeline;
	uint64_t point;
};
'''
END = '''
void use_all(struct server *server, struct frame *frame, struct wlr_surface *surface);

void use_all(struct server *server, struct frame *frame, struct wlr_surface *surface) {
	init_rendering(server);
	offer_explicit_sync(server);
	draw_surface(surface, 0, 0, frame);
	scan_out(frame, surface);
}
'''


def side(block, sign):
	lines = block.splitlines()
	if any(line[:1] not in ('-', '+', ' ') for line in lines):
		sys.exit('a line of a diff begins with neither of -, + and a space')
	return '\n'.join(line[1:] for line in lines if line[:1] in (sign, ' ')) + '\n'


def compiles(root, compiler, text):
	flags = subprocess.run(['pkg-config', '--cflags', 'wlroots-0.20', 'wayland-server'],
		capture_output=True, text=True, check=True).stdout.split()
	with tempfile.TemporaryDirectory() as folder:
		path = os.path.join(folder, 'adopt.c')
		with open(path, 'w', encoding='utf-8') as file:
			file.write(text)
		done = subprocess.run([*compiler, '-fsyntax-only', '-std=c11', '-Wall', '-Wextra', '-Werror',
			'-Wno-unused-parameter', '-DWLR_USE_UNSTABLE', '-I', os.path.join(root, 'include'), *flags,
			path], capture_output=True, text=True)
	return done.returncode == 0, done.stderr


def main():
	root, *compiler = sys.argv[1:]
	with open(os.path.join(root, 'docs', 'integrating.md'), encoding='utf-8') as file:
		blocks = BLOCK.findall(file.read())
	failed = 0
	for name, sign in (('before', '-'), ('after', '+')):
		text = PRELUDE + '\n'.join(side(block, sign) for block in blocks) + END
		ok, errors = compiles(root, compiler, text)
		ours = 'sbx_' in text.replace(PRELUDE, '')
		if not ok or ours != (sign == '+'):
			failed += 1
			print(f'{name}: does not compile, or has nothing to do with us:\n{errors}')
	# The control: a change that is not true is noticed.
	text = PRELUDE + '\n'.join(side(block, '+') for block in blocks).replace('sbx_renderer_create(',
		'sbx_renderer_make(') + END
	if compiles(root, compiler, text)[0]:
		failed += 1
		print('control: a function that there is not was not noticed')
	print(f'{len(blocks)} changes, {failed} failed')
	sys.exit(1 if failed or len(blocks) < 3 else 0)


if __name__ == '__main__':
	main()
