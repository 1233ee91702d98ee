#!/usr/bin/python3
"""`signalbox run` on a machine without a display: what it says, what it leaves alone, what it passes on.

usage: run.py SIGNALBOX STAGE OTHER OWN
"""

import os
import subprocess
import sys
import tempfile

tool, stage, other, own = sys.argv[1:]
failures = []
number = 0


def environment(**more):
	found = {name: value for name, value in os.environ.items()
		if not name.startswith(('SIGNALBOX_', 'LD_', 'WLR_'))}
	# The preload comes before AddressSanitizer's library, if there is one; and what wlroots and the
	# Vulkan loader leave is not ours.
	found['ASAN_OPTIONS'] = 'verify_asan_link_order=0:detect_leaks=0:halt_on_error=1'
	found.update({'WLR_RENDERER': 'pixman', 'PATH': '/usr/bin:/bin'}, **more)
	return found


def run(*arguments, **more):
	return subprocess.run([tool, 'run', *arguments], capture_output=True, text=True,
		env=environment(**more), timeout=100)


def case(name, done, status, out=(), err=(), neither=()):
	global number
	number += 1
	good = (done.returncode == status and all(text in done.stdout for text in out) and
		all(text in done.stderr for text in err) and
		not any(text in done.stdout + done.stderr for text in neither))
	print(f'{"ok" if good else "not ok"} {number} - run: {name}')
	if not good:
		for line in f'status {done.returncode}\n{done.stdout}{done.stderr}'.splitlines():
			print('# ' + line)
		failures.append(name)


def one_line(done):
	"""What signalbox says on standard error is one line."""
	return sum(line.startswith('signalbox') for line in done.stderr.splitlines()) == 1


def arguments():
	case('nothing to run', run(), 2, err=['which compositor?', 'usage: signalbox run'])
	case('an unknown option', run('--frobnicate', 'true'), 2, err=['usage: signalbox run'])
	case('an unknown policy', run('--policy', 'now', 'true'), 2, err=['no policy "now"'])
	case('help', run('--help'), 0, out=['usage: signalbox run', '--policy', '--check'])
	case('options of the command are its own', run('sh', '-c', 'exit 4'), 4)
	case('after two dashes', run('--', 'sh', '-c', 'exit 4'), 4)


def commands(folder):
	case('not there', run('sbx-nothing'), 127, err=['sbx-nothing: No such file'])
	case('not a program', run(folder), 126, err=['Permission denied'])
	script = os.path.join(folder, 'script')
	with open(script, 'w', encoding='utf-8') as file:
		file.write('#!/bin/sh\necho ran "$LD_PRELOAD"; exit 9\n')
	os.chmod(script, 0o755)
	case('a script runs without us', run(script), 9, out=['ran \n'], err=['is a script'])
	case('checked, a script does not run', run('--check', script), 1, out=['is a script'],
		neither=['ran'])
	done = run('sh', '-c', 'exit 8')
	case('not a compositor: one line, and its status', done, 8,
		err=['sh is not joined: it does not use libwlroots-0.20.so'])
	if not one_line(done):
		failures.append('more than one line')
	case('checked', run('--check', 'sh', '-c', 'echo ran'), 1, out=['not joined: sh'],
		neither=['ran'])
	case('another wlroots', run(other), 6, err=['uses another wlroots'])
	case('already with signalbox', run(own), 5, out=['renderer: pixman'],
		err=['run-own is not joined: it uses signalbox already'])


def children():
	show = 'env | grep -E "^(LD_PRELOAD|SIGNALBOX_)"; true'
	case('children have no preload', run('--device', 'x', '--policy', 'signalled', 'sh', '-c', show),
		0, neither=['LD_PRELOAD', 'SIGNALBOX_'])
	others = 'libm.so.6:libdl.so.2'
	case('but that of others', run('sh', '-c', show, LD_PRELOAD='libm.so.6 libdl.so.2'), 0,
		out=[f'LD_PRELOAD={others}\n'])
	# The control: with the library preloaded by nobody's help, children would have it.
	done = subprocess.run(['sh', '-c', show], capture_output=True, text=True,
		env=environment(LD_PRELOAD='libm.so.6'), timeout=100)
	case('control: the environment is inherited', done, 0, out=['LD_PRELOAD=libm.so.6'])


def compositor():
	plain = subprocess.run([stage], capture_output=True, text=True, env=environment(), timeout=100)
	case('control: by itself', plain, 5, out=['renderer: pixman'])
	# A device that there is not, so that there is no renderer of ours on any machine.
	done = run('--device', 'no such device', stage)
	case('no renderer of ours: wlroots\' own', done, 5,
		out=['renderer: pixman', 'LD_PRELOAD=\n', 'SIGNALBOX_RUN=\n', 'SIGNALBOX_RUN_DEVICE=\n'],
		err=['run-stage is not joined: there is no renderer of ours'])
	if not one_line(done):
		failures.append('more than one line')
	case('checked', run('--check', '--device', 'no such device', stage), 1,
		out=['not joined: there is no renderer'], neither=['renderer: pixman'])


def main():
	with tempfile.TemporaryDirectory() as folder:
		arguments()
		commands(folder)
	children()
	compositor()
	print(f'1..{number}')
	for name in failures:
		print(f'failed: {name}', file=sys.stderr)
	sys.exit(1 if failures else 0)


if __name__ == '__main__':
	main()
