#!/usr/bin/python3
"""`signalbox trace` prints what is in a recording, and refuses what is none.

usage: table.py SIGNALBOX EXPORT   (EXPORT write FILE makes the recording of tests/trace/export.c)
"""

import os
import subprocess
import sys
import tempfile

EXPECTED = [
	'  1 fo"o\\??  14 0.100 3.000 3.010 4.000 4.250 5.000 16.000 20.010 21.000 1',
	'  6 fo"o\\??  14 - - 1.001 - - - - 1.002 1.003 0 superseded',
	'  7 fo"o\\??  14 0.001 - - - - - - 0.900 0.900 0 failed',
	'  8 fo"o\\??  14 - 0.000 0.000 - - - 10.000 12.000 26.010 0 scanned out',
	' 10 fo"o\\??  14 - - - - - - - - - 1 forced stalled not over',
	'10 loans, 6 passes',
]


def run(*command):
	return subprocess.run(command, capture_output=True, text=True, check=False)


def check(signalbox, path):
	faults = []
	done = run(signalbox, 'trace', path)
	lines = [line.split() for line in done.stdout.splitlines()]
	faults += [f'not printed: {line}' for line in EXPECTED if line.split() not in lines]
	if done.returncode != 0 or len(lines) != 12:
		faults.append(f'status {done.returncode}, {len(lines)} lines: {done.stdout}{done.stderr}')
	return faults


def check_drawing(signalbox, path):
	"""Sixty columns for 21 ms: the GPU is at it from the 12th to the 14th."""
	lines = run(signalbox, 'trace', '--loan', '1', path).stdout.splitlines()
	bars = {line[:22].strip(): line[23:83] for line in lines[2:]}
	wanted = {
		'no fence yet': '#' + '.' * 59,
		'fence pending': '#' * 9 + '.' * 51,
		'done, not latched': '.' * 8 + '#' + '.' * 51,
		'content': '.' * 8 + '#' * 50 + '..',
		'replaced, still held': '.' * 57 + '###',
		'pass, CPU': '.' * 11 + '##' + '.' * 47,
		'pass, GPU': '.' * 12 + '###' + '.' * 45,
		'output, until shown': '.' * 12 + '#' * 34 + '.' * 14,
	}
	return [f'{what}: {bars.get(what)}, not {bar}' for what, bar in wanted.items() if bars.get(what) != bar]


def check_refusals(signalbox, path, folder):
	with open(path, encoding='ascii') as file:
		text = file.read()
	cut = os.path.join(folder, 'cut.json')
	with open(cut, 'w', encoding='ascii') as file:
		file.write(text[:len(text) // 2])
	wanted = [(0, ['--loan', '1', path]), (1, ['--loan', '9', path]), (1, ['--loan', '77', path]),
		(2, ['--loan', 'x', path]), (1, [cut]), (1, [os.path.join(folder, 'none')]), (1, [__file__]), (1, ['/dev/null']),
		(2, []), (2, [path, path]), (2, ['--nonsense']), (0, ['--help'])]
	return [f'{arguments}: status not {status}' for status, arguments in wanted
		if run(signalbox, 'trace', *arguments).returncode != status]


def main():
	signalbox, export = sys.argv[1:]
	with tempfile.TemporaryDirectory() as folder:
		path = os.path.join(folder, 'trace.json')
		subprocess.run([export, 'write', path], check=True)
		faults = check(signalbox, path) + check_drawing(signalbox, path) + \
			check_refusals(signalbox, path, folder)
	for fault in faults:
		print(fault)
	print(f'{len(EXPECTED)} lines wanted, {len(faults)} faults')
	sys.exit(1 if faults else 0)


if __name__ == '__main__':
	main()
