#!/usr/bin/python3
"""Every test that docs/faults.md names is there.

usage: faults.py ROOT | faults.py --control
"""

import os
import re
import sys
import tempfile

ROW = re.compile(r'^\| (\S+) \|.*\| `([^`]+)` \| `([^`]+)` \|$', re.MULTILINE)
# What the table must not lack: each defect that can reach us.
WANTED = ['D1', 'D2', 'D3', 'D4', 'D5', 'D6', 'D7', 'D8', 'D9', 'D10', 'D11', 'D12', 'D12b', 'D13', 'D14',
	'D15', 'D16', 'D17', 'D18', 'D19', 'D21', 'S1', 'S2', 'S3', 'S4', 'S5', 'S6']


def read(root, path):
	try:
		with open(os.path.join(root, path), encoding='utf-8') as file:
			return file.read()
	except OSError:
		return ''


def has_test(text, name):
	"""It is registered: as a case's name, or in a list of tests."""
	return f'"{name}"' in text or re.search(rf'_TEST\({re.escape(name)}\)', text) is not None


def check(root, wanted):
	rows = ROW.findall(read(root, 'docs/faults.md'))
	faults = [f'docs/faults.md: {path} has no test {name}' for _, path, name in rows
		if not has_test(read(root, path), name)]
	named = {defect for defect, _, _ in rows}
	return len(rows), faults + [f'docs/faults.md: no test for {defect}' for defect in wanted
		if defect not in named]


CONTROL = {
	'docs/faults.md': '| D1 | x | `a.c` | `there` |\n| D2 | x | `a.c` | `gone` |\n'
		'| D3 | x | `b.c` | `there` |\n| D4 | x | `a.c` | `a case` |\n',
	'a.c': 'RIG_TEST(there), /* gone */ KIND("a case", f)',
}


def control():
	with tempfile.TemporaryDirectory() as root:
		os.makedirs(os.path.join(root, 'docs'))
		for path, text in CONTROL.items():
			with open(os.path.join(root, path), 'w', encoding='utf-8') as file:
				file.write(text)
		count, faults = check(root, ['D1', 'D5'])
	for fault in faults:
		print(fault)
	return count == 4 and len(faults) == 3


def main():
	if sys.argv[1:] == ['--control']:
		sys.exit(0 if control() else 1)
	count, faults = check(sys.argv[1], WANTED)
	for fault in faults:
		print(fault)
	print(f'{count} rows, {len(faults)} faults')
	sys.exit(1 if faults or not count else 0)


if __name__ == '__main__':
	main()
