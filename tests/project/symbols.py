#!/usr/bin/python3
"""The library exports the functions that the public headers declare, and nothing else.

usage: symbols.py ROOT LIBRARY
"""

import glob
import os
import re
import subprocess
import sys

DECLARED = re.compile(r'^SBX_API\b[^;]*?\b(\w+)\s*\(', re.MULTILINE)


def exported(library):
	done = subprocess.run(['nm', '--dynamic', '--defined-only', '--format=posix', library],
		capture_output=True, text=True, check=True)
	return {line.split()[0].split('@')[0] for line in done.stdout.splitlines() if line.strip()}


def declared(root):
	names = set()
	for path in glob.glob(os.path.join(root, 'include', 'signalbox', '*.h')):
		with open(path, encoding='utf-8') as file:
			names |= set(DECLARED.findall(file.read()))
	return names


def faults(names, wanted):
	found = [f'{name} is exported and does not begin with sbx_' for name in sorted(names)
		if not name.startswith('sbx_')]
	found += [f'{name} is exported and in no public header' for name in sorted(names - wanted)]
	found += [f'{name} is in a public header and not exported' for name in sorted(wanted - names)]
	return found


def main():
	root, library = sys.argv[1:]
	names, wanted = exported(library), declared(root)
	found = faults(names, wanted)
	# The control: each kind of fault is seen
	if len(faults({'sbx_a', 'helper'}, {'sbx_a', 'sbx_b'})) != 3:
		found.append('control: a stray or a missing symbol was not noticed')
	for fault in found:
		print(fault)
	print(f'{len(names)} exported, {len(wanted)} declared')
	sys.exit(1 if found or not names else 0)


if __name__ == '__main__':
	main()
