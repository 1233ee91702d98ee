#!/usr/bin/python3
"""Reads the #include lines and says which point the wrong way.

The map is docs/architecture.md: arrows point down only, and each outside world enters through
one room. usage: layers.py ROOT | layers.py --control
"""

import os
import re
import sys
import tempfile

# Who may include whom, beside itself. The three rooms that face wlroots meet in the loan.
BELOW = {
	'trace': set(),
	'sync': {'trace'},
	'render': {'sync', 'trace'},
	'loan': {'sync', 'trace'},
	'render/wlr': {'render', 'loan', 'sync', 'trace'},
	'protocol': {'loan', 'sync', 'trace'},
	'backend': {'loan', 'sync', 'trace'},
	'include/signalbox': set(),
	'tools': set(),
	'examples': set(),
	'bench': set(),
	'bench/gpu': {'render', 'sync', 'trace'},
}
LIBRARY = {'trace', 'sync', 'render', 'loan', 'render/wlr', 'protocol', 'backend'}
FACING_WLROOTS = {'loan', 'render/wlr', 'protocol', 'backend'}

# Headers of the outside worlds, and the rooms of the library that may see them.
WORLDS = [
	(r'vulkan/|volk\.h', {'render'}, 'Vulkan headers belong to render/'),
	(r'linux/sync_file\.h', {'sync'}, 'sync_file belongs to sync/'),
	(r'xf86drmMode\.h', {'backend'}, 'mode setting belongs to backend/'),
	(r'wlr/', FACING_WLROOTS, 'no wlroots in this room'),
	(r'wayland-server', FACING_WLROOTS | {'sync'}, 'no Wayland in this room'),
	(r'libliftoff|libdisplay-info', {'backend'}, 'scanout belongs to backend/'),
	(r'linux-drm-syncobj-v1', {'protocol'}, 'the protocol belongs to protocol/'),
]
# One file of sync/ has to do with an event loop; it is left out where there is no Wayland.
EVENT_LOOP = {'sync/waiter.c', 'sync/waiter.h'}
# What must not even be called elsewhere.
CALLS = [
	(r'\bdrmSyncobj\w+\s*\(|\bDRM_IOCTL_SYNCOBJ_\w+|\bSYNC_IOC_\w+', {'sync'},
		'syncobj and sync_file ioctls belong to sync/'),
]
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*', re.DOTALL)


def room_of(path):
	"""The room of a file, by the longest name that fits; None outside of all."""
	fitting = [room for room in BELOW if path.startswith(room + '/')]
	return max(fitting, key=len) if fitting else None


def sources(root):
	for room in sorted(BELOW):
		for folder, folders, names in os.walk(os.path.join(root, room)):
			for name in sorted(names):
				path = os.path.relpath(os.path.join(folder, name), root)
				if name.endswith(('.c', '.h')) and room_of(path) == room:
					yield path


def check_own(root, path, target):
	"""Faults of an #include "target"."""
	room = room_of(path)
	beside = os.path.normpath(os.path.join(os.path.dirname(path), target))
	found = [at for at in (target, beside) if os.path.exists(os.path.join(root, at))]
	to = room_of(found[0]) if found else room_of(target)
	if not found and to is None:
		return []  # generated, or the world's
	if to != room and to not in BELOW[room]:
		return [f'{room}/ may not include {to or "that folder"}/']
	return []


def check_world(path, target):
	"""Faults of an #include <target>."""
	room = room_of(path)
	if room not in LIBRARY | {'include/signalbox'}:
		return []
	for pattern, rooms, reason in WORLDS:
		if not re.match(pattern, target):
			continue
		if room not in rooms or (pattern == 'wayland-server' and room == 'sync' and
				path not in EVENT_LOOP):
			return [reason]
	return []


def check_file(root, path):
	with open(os.path.join(root, path), encoding='utf-8') as file:
		text = file.read()
	faults = []
	for kind, target in INCLUDE.findall(text):
		found = check_world(path, target)
		if kind == '"':
			found += check_own(root, path, target)
		faults += [f'{path}: {target}: {fault}' for fault in found]
	code = COMMENT.sub('', text)
	for pattern, rooms, reason in CALLS:
		call = re.search(pattern, code)
		if call and room_of(path) in LIBRARY - rooms:
			faults.append(f'{path}: {call.group(0)}: {reason}')
	return faults


def check(root):
	paths = list(sources(root))
	return paths, [fault for path in paths for fault in check_file(root, path)]


GOOD = [
	('render/wlr/pass.c', '#include "render/compose.h"\n#include "sync/fd.h"\n#include <wlr/x.h>\n'),
	('render/compose.h', '#include <volk.h>\n'),
	('sync/fd.h', '#include <linux/sync_file.h>\n'),
	('sync/waiter.c', '#include <wayland-server-core.h>\n'),
	('examples/a/a.c', '#include "b.h"\n#include <signalbox/renderer.h>\n#include <wlr/x.h>\n'),
	('bench/gpu/a.c', '#include "render/compose.h"\n'),
	('examples/a/b.h', '// DRM_IOCTL_SYNCOBJ_QUERY in a comment\n'),
]
BAD = [
	('render/a.c', '#include "render/wlr/pass.h"\n'),
	('render/b.c', '#include <wlr/types/wlr_buffer.h>\n'),
	('sync/a.c', '#include <vulkan/vulkan.h>\n'),
	('sync/b.c', '#include "render/compose.h"\n'),
	('sync/c.c', '#include <wayland-server-core.h>\n'),
	('trace/a.c', '#include "sync/fd.h"\n'),
	('render/wlr/a.c', '#include <volk.h>\n'),
	('render/wlr/b.c', '#include "../../protocol/surface.h"\n'),
	('render/wlr/c.c', 'int f(void) { return drmSyncobjCreate(3, 0, &h); }\n'),
	('protocol/a.c', '#include "render/wlr/pass.h"\n'),
	('protocol/b.c', '#\tinclude <linux/sync_file.h>\n'),
	('protocol/surface.h', '#include <xf86drmMode.h>\n'),
	('bench/a.c', '#include "render/compose.h"\n'),
	('bench/gpu/a.c', '#include "render/wlr/pass.h"\n'),
	('examples/c.c', '#include "sync/fd.h"\n'),
	('include/signalbox/a.h', '#include <wlr/types/wlr_output.h>\n'),
]


def write(root, files):
	for path, text in files:
		os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
		with open(os.path.join(root, path), 'w', encoding='utf-8') as file:
			file.write(text)


def control():
	"""The check must say nothing about GOOD and something about each file of BAD."""
	with tempfile.TemporaryDirectory() as root:
		write(root, GOOD)
		wrong = check(root)[1]
		write(root, BAD)
		caught = {fault.split(':')[0] for fault in check(root)[1]}
	missed = [path for path, _ in BAD if path not in caught]
	for path in missed:
		print(f'not caught: {path}')
	for fault in wrong:
		print(f'wrongly caught: {fault}')
	return not missed and not wrong


def main():
	if sys.argv[1:] == ['--control']:
		sys.exit(0 if control() else 1)
	paths, faults = check(sys.argv[1])
	for fault in faults:
		print(fault)
	print(f'{len(paths)} files, {len(faults)} faults')
	sys.exit(1 if faults or not paths else 0)


if __name__ == '__main__':
	main()
