#!/usr/bin/python3
"""No shader of render/ has a number of its own for what C knows, too: render/shaders/layout.h has it.

A constant in GLSL and an enumerator or macro in C that have the same name, but for its beginning (RECT,
SBX_RECORD_RECT), are taken for the same thing. usage: shaders.py ROOT | shaders.py --control
"""

import glob
import os
import re
import sys
import tempfile

SHARED = 'layout.h'
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*', re.DOTALL)
# Where Vulkan has to be told the same number.
QUALIFIER = re.compile(r'\b(constant_id|local_size_[xyz]_id|set|binding)\s*=\s*\d+')
# Whole numbers that are written out; those of formulas mean nothing to C.
GLSL_CONSTANT = re.compile(r'\bconst\s+u?int\s+(\w+)\s*=[\s\du<x()+*-]+;|'
	r'^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+\d', re.MULTILINE)
C_CONSTANT = re.compile(r'^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+\S|^[ \t]+([A-Z][A-Z0-9_]*)(?:[ \t]*=[^,;]*)?,?[ \t]*$',
	re.MULTILINE)
BLOCK = re.compile(r'push_constant\s*\)\s*uniform\s+\w+\s*\{([^}]*)\}')


def read(path):
	with open(path, encoding='utf-8') as file:
		return COMMENT.sub('', file.read())


def names(pattern, text):
	return {name for match in pattern.findall(text) for name in match if name}


def is_same(glsl, c):
	return c == glsl or c.endswith('_' + glsl)


def check_shader(name, text, known):
	faults = [f'{name}: {match.group(0)}: a number that {SHARED} should have'
		for match in QUALIFIER.finditer(text)]
	for glsl in sorted(names(GLSL_CONSTANT, text)):
		faults += [f'{name}: {glsl} is {c} in {where}: it belongs in {SHARED}'
			for c, where in sorted(known.items()) if is_same(glsl, c)]
	for block in BLOCK.findall(text):
		if block.count(';') != 1:
			faults.append(f'{name}: the members of push constants belong in {SHARED}')
	return faults


def check(root):
	folder = os.path.join(root, 'render')
	shaders = sorted(glob.glob(os.path.join(folder, 'shaders', '*.comp')) +
		glob.glob(os.path.join(folder, 'shaders', '*.glsl')))
	known = {}
	for path in sorted(glob.glob(os.path.join(folder, '*.[ch]'))):
		for name in names(C_CONSTANT, read(path)):
			known.setdefault(name, os.path.basename(path))
	faults = []
	for path in shaders:
		faults += check_shader(os.path.basename(path), read(path), known)
	return len(shaders), len(known), faults


CONTROL = {
	'render/a.h': '#define TILE 8\nenum x {\n\tSBX_RECORD_RECT = 1,\n\tSBX_RECORD_PLAIN,\n};\n',
	'render/shaders/a.comp': 'layout(constant_id = 0) const bool FULL = false;\n'
		'layout(set = A, binding = 3) uniform x;\nconst uint RECT = 1 << 0; // PLAIN\nconst uint OWN = 4;\n'
		'const uint SBX_RECORD_PLAIN = RECT + OWN;\nconst float TILE = 1;\n'
		'layout(push_constant) uniform Push {\n\tuint a;\n\tuint b;\n} push;\n',
	'render/shaders/b.glsl': '#define TILE 8\nconst uint ANGLE = 3;\nconst uint PLAIN = 2;\n'
		'layout(push_constant) uniform Push {\n\tpush push;\n};\n',
}


def control():
	with tempfile.TemporaryDirectory() as root:
		os.makedirs(os.path.join(root, 'render', 'shaders'))
		for path, text in CONTROL.items():
			with open(os.path.join(root, path), 'w', encoding='utf-8') as file:
				file.write(text)
		shaders, known, faults = check(root)
	for fault in faults:
		print(fault)
	return shaders == 2 and known == 3 and len(faults) == 6


def main():
	if sys.argv[1:] == ['--control']:
		sys.exit(0 if control() else 1)
	shaders, known, faults = check(sys.argv[1])
	for fault in faults:
		print(fault)
	print(f'{shaders} shaders, {known} constants of C, {len(faults)} faults')
	sys.exit(1 if faults or not shaders or not known else 0)


if __name__ == '__main__':
	main()
