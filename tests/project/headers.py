#!/usr/bin/python3
"""Each header compiles alone: the public ones as strict C11 and as C++ too.

usage: headers.py ROOT BUILD CC...
"""

import concurrent.futures
import glob
import os
import subprocess
import sys

ROOMS = ['include/signalbox', 'trace', 'sync', 'render', 'render/wlr', 'loan', 'protocol', 'backend']
PACKAGES = ['wlroots-0.20', 'wayland-server', 'libdrm', 'pixman-1', 'vulkan']
STRICT = ['-Wall', '-Wextra', '-Werror', '-pedantic']


def package_flags():
	found = []
	for package in PACKAGES:
		done = subprocess.run(['pkg-config', '--cflags', package], capture_output=True, text=True)
		found += done.stdout.split()
	return found


def compile_one(compiler, flags, header):
	done = subprocess.run([*compiler, '-fsyntax-only', *flags, '-'],
		input=f'#include <{header}>\nextern int avoid_an_empty_file;\n',
		capture_output=True, text=True)
	return done.returncode == 0, done.stderr


def cxx_compiler(cc):
	"""A command that compiles C++; a C compiler often can."""
	for compiler in (cc, ['c++'], ['clang++'], ['clang']):
		try:
			ok, _ = compile_one(compiler, ['-x', 'c++'], 'stddef.h')
		except FileNotFoundError:
			continue
		if ok:
			return compiler
	return None


def jobs(root, build, cc):
	"""Yields what is checked, compiler, flags, header."""
	public = ['-I', os.path.join(root, 'include')]
	internal = [*public, '-I', root, '-I', build, '-std=gnu11', '-x', 'c', '-Wall', '-Werror',
		'-D_GNU_SOURCE', '-DWLR_USE_UNSTABLE', '-DVK_NO_PROTOTYPES', *package_flags()]
	cxx = cxx_compiler(cc)
	if cxx is None:
		print('no C++ compiler: public headers are tried as C only')
	for room in ROOMS:
		for path in sorted(glob.glob(os.path.join(root, room, '*.h'))):
			name = os.path.relpath(path, root)
			if not name.startswith('include/'):
				yield f'{name} as C', cc, internal, name
				continue
			name = os.path.relpath(path, os.path.join(root, 'include'))
			yield f'{name} as C11', cc, [*public, '-std=c11', '-x', 'c', *STRICT], name
			if cxx is not None:
				yield f'{name} as C++', cxx, [*public, '-std=c++11', '-x', 'c++', *STRICT], name


def main():
	root, build, *cc = sys.argv[1:]
	root, build = os.path.abspath(root), os.path.abspath(build)
	wanted = list(jobs(root, build, cc))
	with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
		results = list(pool.map(lambda job: compile_one(*job[1:]), wanted))
	failed = 0
	for (what, *_), (ok, errors) in zip(wanted, results):
		if not ok:
			failed += 1
			print(f'{what} does not compile alone:\n{errors}')
	# The control: a header that lacks an include is seen
	control, _ = compile_one(cc, ['-std=c11', '-x', 'c', '-include', os.devnull], 'no-such-header.h')
	if control:
		failed += 1
		print('control: a missing header was not noticed')
	print(f'{len(wanted)} compiled, {failed} failed')
	sys.exit(1 if failed or not wanted else 0)


if __name__ == '__main__':
	main()
