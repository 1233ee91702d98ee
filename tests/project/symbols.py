#!/usr/bin/python3
"""The library exports the functions that the public headers declare, the functions of wlroots' header
for explicit sync, which it answers in wlroots' place (protocol/interpose.h), and nothing else.

usage: symbols.py ROOT LIBRARY
"""

import glob
import os
import re
import subprocess
import sys

OF_WLROOTS = re.compile(r'\b(wlr_linux_drm_syncobj_\w+)\s*\(')
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


def interposed():
	flags = subprocess.run(['pkg-config', '--cflags-only-I', 'wlroots-0.20'], capture_output=True,
		text=True, check=True).stdout.split()
	for folder in [flag[2:] for flag in flags] + ['/usr/include']:
		path = os.path.join(folder, 'wlr', 'types', 'wlr_linux_drm_syncobj_v1.h')
		if os.path.exists(path):
			with open(path, encoding='utf-8') as file:
				return set(OF_WLROOTS.findall(file.read()))
	return set()


def faults(names, wanted):
	found = [f'{name} is exported and does not begin with sbx_' for name in sorted(names - wanted)
		if not name.startswith('sbx_')]
	found += [f'{name} is exported and in no header' for name in sorted(names - wanted)]
	found += [f'{name} is in a header and not exported' for name in sorted(wanted - names)]
	return found


def main():
	root, library = sys.argv[1:]
	answered = interposed()
	names, wanted = exported(library), declared(root) | answered
	found = faults(names, wanted)
	# The control: each kind of fault is seen
	if len(faults({'sbx_a', 'helper'}, {'sbx_a', 'sbx_b'})) != 3:
		found.append('control: a stray or a missing symbol was not noticed')
	for fault in found:
		print(fault)
	print(f'{len(names)} exported, {len(wanted)} declared')
	if len(answered) < 4:
		found.append(f'found no more than {len(answered)} functions in wlroots\' header')
		print(found[-1])
	sys.exit(1 if found or not names else 0)


if __name__ == '__main__':
	main()
