#!/usr/bin/python3
"""The pages keep up with the code, as far as a program can see it.

usage: docs.py ROOT | docs.py --control
"""

import os
import re
import sys
import tempfile

SKIPPED = {'.git', 'out', '.cache'}
CODE = ('.c', '.h', '.comp', '.py', '.sh', '.build', '.options')
READ = re.compile(r'getenv\("([A-Z][A-Z0-9_]*)"\)')
OWN = re.compile(r'\bSIGNALBOX_[A-Z][A-Z0-9_]*\b')
EVENT = re.compile(r'\bX\(\w+, "([a-z-]+)"')
LINK = re.compile(r'\]\(([^)#\s]+)(?:#[^)]*)?\)')
QUOTED = re.compile(r'`([\w.-]+/[\w./-]*)`')
# Put together here, so that this file does not hold them
UNFINISHED = re.compile(r'\b(' + '|'.join(['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK']) + r')\b')
MACHINE = re.compile('/' + r'work/(main|wt|shared)\b|/tmp/bash_' + r'jobs|'
	r'https?://(deb|security|ftp|mirror|registry)' + r'\.(?!test\b|example\b|invalid\b)')  # RFC 2606


def files(root):
	for folder, folders, names in os.walk(root):
		folders[:] = sorted(name for name in folders
			if name not in SKIPPED and not name.startswith('build'))
		for name in sorted(set(names) - SKIPPED):
			yield os.path.relpath(os.path.join(folder, name), root)


def read(root, path):
	try:
		with open(os.path.join(root, path), encoding='utf-8') as file:
			return file.read()
	except UnicodeDecodeError:
		return ''


def is_script(path, text):
	return path.endswith(CODE) or text.startswith('#!')


def own_guards(text):
	"""SIGNALBOX_X_H of a header is no variable."""
	return set(re.findall(r'#ifndef (SIGNALBOX_\w+_H)\b', text))


def variables(texts):
	"""Names of environment variables that the code reads, each with a file."""
	found = {}
	for path, text in texts.items():
		if path.startswith('tests/project/') or not is_script(path, text):
			continue
		names = set(READ.findall(text)) | set(OWN.findall(text)) - own_guards(text)
		for name in names:
			found.setdefault(name, path)
	return {name: path for name, path in found.items() if name.startswith(('SIGNALBOX_', 'SBX_'))}


def check_variables(texts):
	page = texts.get('docs/env.md', '')
	used = variables(texts)
	told = set(OWN.findall(page))
	faults = [f'{used[name]}: {name} is not in docs/env.md' for name in sorted(used)
		if not re.search(rf'\b{name}\b', page)]
	return faults + [f'docs/env.md: nothing reads {name}' for name in sorted(told - set(used))]


def check_events(texts):
	"""Each event that is recorded is explained, and nothing that is not."""
	listed = set(EVENT.findall(texts.get('trace/event.h', '')))
	section = texts.get('docs/tracing.md', '').partition('\n## Events\n')[2].partition('\n## ')[0]
	told = {name for row in re.findall(r'^\| (`[^|]*) \|', section, re.MULTILINE)
		for name in re.findall(r'`([a-z-]+)`', row)}
	return [f'docs/tracing.md: the event {name} is not explained' for name in sorted(listed - told)] + \
		[f'docs/tracing.md: there is no event {name}' for name in sorted(told - listed)]


def check_links(root, path, text):
	faults = []
	for target in LINK.findall(re.sub(r'<!--.*?-->', '', text, flags=re.DOTALL)):
		at = os.path.join(root, os.path.dirname(path), target)
		if '://' not in target and not target.startswith('mailto:') and not os.path.exists(at):
			faults.append(f'{path}: the link to {target} leads nowhere')
	return faults


def check_paths(root, path, text):
	"""A file named in backquotes is there, if its first folder is one of ours."""
	faults = []
	for target in QUOTED.findall(text):
		first = target.split('/')[0]
		ours = os.path.isdir(os.path.join(root, first)) and first not in SKIPPED
		if ours and not first.startswith('build') and not os.path.exists(os.path.join(root, target)):
			faults.append(f'{path}: there is no {target}')
	return faults


def check(root):
	texts = {path: read(root, path) for path in files(root)}
	faults = check_variables(texts) + check_events(texts)
	for path, text in texts.items():
		if path.endswith('.md'):
			faults += check_links(root, path, text) + check_paths(root, path, text)
		faults += [f'{path}: {word}' for word in set(UNFINISHED.findall(text))]
		faults += [f'{path}: names a place on one machine' for _ in MACHINE.finditer(text)]
	return len(texts), faults


CONTROL = {
	'a/code.c': 'getenv("SIGNALBOX_SECRET"); // TO' + 'DO',
	'a/there.c': '',
	'trace/event.h': 'X(TOLD, "told", LOAN) X(UNTOLD, "un-told", LOAN)',
	'docs/tracing.md': '`un-told`\n## Events\n| event |\n| `told`, `never` | when |\n## More\n| `no` | |\n',
	'docs/env.md': 'SIGNALBOX_NEVER, see [there](../a/there.c), [gone](../a/gone.c), `a/lost.c`, '
		'`a/there.c`, `x/y`',
	'dev': '#!/bin/sh\necho /' + 'work/main',
}


def control():
	with tempfile.TemporaryDirectory() as root:
		for path, text in CONTROL.items():
			os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
			with open(os.path.join(root, path), 'w', encoding='utf-8') as file:
				file.write(text)
		faults = check(root)[1]
	for fault in faults:
		print(fault)
	return len(faults) == 8


def main():
	if sys.argv[1:] == ['--control']:
		sys.exit(0 if control() else 1)
	count, faults = check(sys.argv[1])
	for fault in faults:
		print(fault)
	print(f'{count} files, {len(faults)} faults')
	sys.exit(1 if faults or not count else 0)


if __name__ == '__main__':
	main()
