#!/usr/bin/python3
"""Whether a recording is what Perfetto's viewer and Chrome's take: the format, strictly, and that slices
and arrows are where they can be drawn.

usage: perfetto.py FILE... | perfetto.py --complete N FILE | perfetto.py --run PROGRAM |
	perfetto.py --control

--complete wants at least N loans of which everything is known, from the commit to what the screen showed,
in its order. --run calls PROGRAM write FILE and checks the file. The format:
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

import collections
import copy
import json
import os
import subprocess
import sys
import tempfile

NEEDED = {
	'X': {'ph', 'pid', 'tid', 'name', 'ts', 'dur', 'cat', 'args'},
	'i': {'ph', 'pid', 'tid', 'name', 'ts', 's', 'cat', 'args'},
	's': {'ph', 'pid', 'tid', 'name', 'ts', 'cat', 'id'},
	'f': {'ph', 'pid', 'tid', 'name', 'ts', 'cat', 'id', 'bp'},
	'M': {'ph', 'pid', 'tid', 'name', 'ts', 'cat', 'args'},
}
TYPES = {'ph': str, 'pid': int, 'tid': int, 'name': str, 'ts': (int, float), 'dur': (int, float),
	'cat': str, 'args': dict, 's': str, 'bp': str, 'id': int}
# What comes in this order in every life, as far as it comes.
LIFE = ['committed_ns', 'materialised_ns', 'signalled_ns', 'replaced_ns', 'released_ns']


def no_twins(pairs):
	keys = [key for key, _ in pairs]
	if len(keys) != len(set(keys)):
		raise ValueError(f'a key twice: {keys}')
	return dict(pairs)


def no_constant(name):
	raise ValueError(f'{name} is no JSON')


def load(path):
	with open(path, encoding='ascii') as file:
		return json.load(file, object_pairs_hook=no_twins, parse_constant=no_constant)


def ns(microseconds):
	return round(microseconds * 1000)


def check_shape(event):
	phase = event.get('ph')
	if phase not in NEEDED:
		return [f'phase {phase}']
	faults = []
	if set(event) != NEEDED[phase]:
		faults.append(f'{phase} has {sorted(set(event) ^ NEEDED[phase])} too much or not')
	for key, value in event.items():
		if not isinstance(value, TYPES[key]) or isinstance(value, bool):
			faults.append(f'{phase}.{key} is {value!r}')
	if not faults and phase == 'X' and event['dur'] <= 0:
		faults.append(f'{event["name"]} lasts {event["dur"]}')
	if not faults and event.get('ts', 0) < 0:
		faults.append(f'{event["name"]} is at {event["ts"]}')
	if not faults and event['tid'] <= 0 or event['pid'] <= 0:
		faults.append(f'{event["name"]} is of pid {event["pid"]}, tid {event["tid"]}')
	return faults


def by_track(events):
	tracks = collections.defaultdict(list)
	for event in events:
		if event['ph'] == 'X':
			begin = ns(event['ts'])
			tracks[event['pid'], event['tid']].append((begin, begin + ns(event['dur']), event['name']))
	return tracks


def check_nesting(tracks):
	faults = []
	for track, slices in tracks.items():
		open_slices = []
		for begin, end, name in sorted(slices, key=lambda one: (one[0], -one[1])):
			while open_slices and open_slices[-1][0] <= begin:
				open_slices.pop()
			if open_slices and open_slices[-1][0] < end:
				faults.append(f'{name} on {track} overlaps {open_slices[-1][1]}')
			open_slices.append((end, name))
	return faults


def check_flows(events, tracks):
	"""An arrow ends nowhere unless there is a slice at that time on that track."""
	faults, flows = [], collections.defaultdict(list)
	for event in events:
		if event['ph'] in 'sf':
			flows[event['id']].append(event)
			at = ns(event['ts'])
			if not any(begin <= at < end for begin, end, _ in tracks[event['pid'], event['tid']]):
				faults.append(f'an arrow "{event["name"]}" touches nothing at {event["ts"]}')
	for ident, pair in flows.items():
		if [event['ph'] for event in pair] != ['s', 'f'] or pair[0]['name'] != pair[1]['name']:
			faults.append(f'arrow {ident} has no two ends')
	return faults


def check_names(events):
	named = {(event['pid'], event['tid']) for event in events
		if event['ph'] == 'M' and event['name'] == 'thread_name'}
	processes = {event['pid'] for event in events
		if event['ph'] == 'M' and event['name'] == 'process_name'}
	used = {(event['pid'], event['tid']) for event in events if event['ph'] != 'M'}
	return [f'track {track} has no name' for track in sorted(used - named)] + \
		[f'process {pid} has no name' for pid in sorted({pid for pid, _ in used} - processes)]


def check_life(event):
	args = event['args']
	times = [(args[key], key) for key in LIFE if key in args]
	faults = [f'loan {args["loan"]}: {after} before {before}'
		for (earlier, before), (later, after) in zip(times, times[1:]) if later < earlier]
	if args['over'] != ('released_ns' in args):
		faults.append(f'loan {args["loan"]} is over, or not')
	return faults


def loans(events):
	return [event for event in events if event['ph'] == 'X' and 'loan' in event['args']]


def check(trace):
	if not isinstance(trace, dict) or not isinstance(trace.get('traceEvents'), list):
		return ['no list of events']
	if trace.get('displayTimeUnit') not in ('ms', 'ns') or not isinstance(trace.get('otherData'), dict):
		return ['what belongs around the events is missing']
	events = trace['traceEvents']
	faults = [fault for event in events for fault in check_shape(event)]
	if faults:
		return faults
	tracks = by_track(events)
	faults = check_nesting(tracks) + check_flows(events, tracks) + check_names(events)
	for event in loans(events):
		faults += check_life(event)
	return faults


def find_passes(events):
	"""By number: what is known of each pass, of the CPU, the GPU and the output that showed it."""
	passes = collections.defaultdict(dict)
	for event in events:
		if event['ph'] == 'X' and 'pass' in event['args']:
			known = passes[event['args']['pass']]
			for key, value in event['args'].items():
				known.setdefault(key, value)
	return passes


def whole_life(loan, passes):
	"""The times of a loan in the order in which they must be; None where one is missing.

	A display engine may name the vblank before the flip as its time (virtio-gpu does): a refresh is allowed.
	"""
	args = loan['args']
	known = passes.get(args['passes'][0], {}) if args.get('passes') else {}
	off = known.get('uncertainty_ns', 0)
	keys = [(args, key) for key in ('committed_ns', 'signalled_ns', 'latched_ns', 'read_ns')] + \
		[(known, key) for key in ('submitted_ns', 'gpu_began_ns', 'gpu_ended_ns', 'presented_ns')] + \
		[(args, 'released_ns')]
	if any(key not in where or not where[key] for where, key in keys):
		return None
	times = [where[key] for where, key in keys]
	times[5] += off
	times[6] += off
	times[7] += known.get('refresh_ns', 0)
	return times[:8], (args['latched_ns'], args['replaced_ns'], args['released_ns'])


def check_complete(trace, wanted):
	events = trace['traceEvents']
	passes, complete, faults = find_passes(events), 0, []
	for loan in loans(events):
		life = whole_life(loan, passes)
		if life is None:
			continue
		complete += 1
		for times in life:
			if list(times) != sorted(times):
				faults.append(f'loan {loan["args"]["loan"]} is out of order: {times}')
	if complete < wanted:
		faults.append(f'everything is known of {complete} loans, not of {wanted}')
	return faults


def example():
	def slice_(tid, name, ts, dur, **args):
		return {'ph': 'X', 'pid': 9, 'tid': tid, 'name': name, 'ts': ts, 'dur': dur, 'cat': 'c', 'args': args}

	def end(phase, tid, ts, **more):
		return {'ph': phase, 'pid': 9, 'tid': tid, 'name': 'read', 'ts': ts, 'cat': 'c', 'id': 1, **more}

	def name(what, tid):
		return {'ph': 'M', 'pid': 9, 'tid': tid, 'name': what, 'ts': 0, 'cat': '__metadata',
			'args': {'name': 'n'}}

	return {'traceEvents': [
		name('process_name', 1), name('thread_name', 1), name('thread_name', 2),
		slice_(1, 'loan 1', 10, 20.5, loan=1, over=True, committed_ns=10000, signalled_ns=11000,
			latched_ns=12000, read_ns=13000, replaced_ns=22000, released_ns=30500, passes=[1]),
		slice_(1, 'content', 12, 10),
		slice_(2, 'pass 1', 15, 2, **{'pass': 1}, submitted_ns=14000, gpu_began_ns=15000,
			gpu_ended_ns=17000, uncertainty_ns=10, presented_ns=16950, refresh_ns=100),
		end('s', 1, 13), end('f', 2, 15, bp='e'),
		{'ph': 'i', 'pid': 9, 'tid': 1, 'name': 'failed', 'ts': 14, 's': 't', 'cat': 'c', 'args': {}},
	], 'displayTimeUnit': 'ns', 'otherData': {}}


def set_event(index, **values):
	return lambda trace: trace['traceEvents'][index].update(values)


# What must be noticed.
BROKEN = {
	'no events': lambda trace: trace.update(traceEvents=None),
	'unknown phase': set_event(3, ph='Z'),
	'no length': set_event(4, dur=0),
	'a time that is text': set_event(4, ts='12'),
	'before the beginning': set_event(4, ts=-1),
	'missing key': lambda trace: trace['traceEvents'][5].pop('cat'),
	'overlap': set_event(4, ts=25),
	'arrow into nothing': set_event(7, ts=40),
	'arrow with one end': lambda trace: trace['traceEvents'].pop(7),
	'track without a name': lambda trace: trace['traceEvents'].pop(2),
	'process without a name': lambda trace: trace['traceEvents'].pop(0),
	'released before it was committed': lambda trace: trace['traceEvents'][3]['args'].update(released_ns=1),
	'over without an end': lambda trace: trace['traceEvents'][3]['args'].pop('released_ns'),
	'read by nobody': lambda trace: trace['traceEvents'][3]['args'].update(passes=[]),
	'GPU before its work': lambda trace: trace['traceEvents'][5]['args'].update(gpu_began_ns=13000),
	'shown before it was drawn': lambda trace: trace['traceEvents'][5]['args'].update(presented_ns=16000),
	'never shown': lambda trace: trace['traceEvents'][5]['args'].update(presented_ns=0),
}


def control():
	good = check(example()) + check_complete(example(), 1)
	missed = []
	for what, damage in BROKEN.items():
		trace = copy.deepcopy(example())
		damage(trace)
		if not check(trace) and not check_complete(trace, 1):
			missed.append(what)
	print(f'{len(BROKEN)} broken recordings; not noticed: {missed or "none"}; faults of a good one: {good}')
	return not missed and not good


def check_file(path, complete=0):
	trace = load(path)
	faults = check(trace)
	if not faults:
		faults = check_complete(trace, complete)
	for fault in faults[:20]:
		print(f'{path}: {fault}')
	if not faults:
		print(f'{path}: {len(trace["traceEvents"])} events, {len(loans(trace["traceEvents"]))} loans')
	return not faults


def run(program):
	with tempfile.TemporaryDirectory() as folder:
		path = os.path.join(folder, 'trace.json')
		subprocess.run([program, 'write', path], check=True)
		return check_file(path)


def main():
	if sys.argv[1:] == ['--control']:
		ok = control()
	elif sys.argv[1:2] == ['--run']:
		ok = run(sys.argv[2])
	elif sys.argv[1:2] == ['--complete']:
		ok = check_file(sys.argv[3], int(sys.argv[2]))
	else:
		ok = len(sys.argv) > 1 and all([check_file(path) for path in sys.argv[1:]])
	sys.exit(0 if ok else 1)


if __name__ == '__main__':
	main()
