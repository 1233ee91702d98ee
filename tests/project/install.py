#!/usr/bin/python3
"""What is installed can be used: the program in README.md, outside the tree, with pkg-config alone.

usage: install.py ROOT BUILD CC...
"""

import glob
import os
import re
import subprocess
import sys
import tempfile


def fail(what, done=None):
	print(what)
	if done is not None:
		print(done.stdout + done.stderr)
	sys.exit(1)


def run(what, command, **options):
	done = subprocess.run(command, capture_output=True, text=True, **options)
	if done.returncode != 0:
		fail(f'{what}: {" ".join(command)}: status {done.returncode}', done)
	return done.stdout


def readme_program(root):
	with open(os.path.join(root, 'README.md'), encoding='utf-8') as file:
		blocks = re.findall(r'^```c\n(.*?)^```', file.read(), re.MULTILINE | re.DOTALL)
	programs = [block for block in blocks if 'int main(' in block]
	if len(programs) != 1:
		fail(f'README.md holds {len(programs)} programs in C, not one')
	return programs[0]


def install(build, staging):
	"""Install into `staging` and return the folder of signalbox.pc, which then says so."""
	run('install', ['meson', 'install', '-C', build, '--no-rebuild', '--destdir', staging])
	found = glob.glob(os.path.join(staging, '**', 'signalbox.pc'), recursive=True)
	if len(found) != 1:
		fail(f'{len(found)} files signalbox.pc are installed')
	with open(found[0], encoding='utf-8') as file:
		text = file.read()
	# What a --prefix at that place would have written
	text = re.sub(r'^prefix=', f'prefix={staging}', text, count=1, flags=re.MULTILINE)
	with open(found[0], 'w', encoding='utf-8') as file:
		file.write(text)
	return os.path.dirname(found[0])


def main():
	root, build, *cc = sys.argv[1:]
	root, build = os.path.abspath(root), os.path.abspath(build)
	with tempfile.TemporaryDirectory() as folder:
		pkgconfig = install(build, os.path.join(folder, 'stage'))
		environment = dict(os.environ, PKG_CONFIG_PATH=pkgconfig)
		for name in ('LD_LIBRARY_PATH', 'WAYLAND_DISPLAY', 'DISPLAY'):
			environment.pop(name, None)
		with open(os.path.join(folder, 'embed.c'), 'w', encoding='utf-8') as file:
			file.write(readme_program(root))
		flags = run('pkg-config', ['pkg-config', '--cflags', '--libs', 'signalbox'],
			env=environment).split()
		libdir = run('pkg-config', ['pkg-config', '--variable=libdir', 'signalbox'],
			env=environment).strip()
		run('compile', [*cc, '-Wall', '-Wextra', '-Werror', '-DWLR_USE_UNSTABLE', '-o', 'embed', 'embed.c',
			*flags, f'-Wl,-rpath,{libdir}'], cwd=folder)
		run('run', [os.path.join(folder, 'embed')], env=environment, cwd=folder)
	print('installed, found, compiled, ran')


if __name__ == '__main__':
	main()
