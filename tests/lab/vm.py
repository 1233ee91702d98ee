#!/usr/bin/python3
"""Boot the lab VM, run one command in it, exit with that command's status.

Runs inside the forky tree, as root there; `./dev vm` is how to call it. The guest
has the tree as its root file system (writes go to memory), the checkout read-only
at its own path, and a writable folder that is shared with the host ($SBX_OUT); with
--cache another, for what drivers keep of compiled shaders.

Exit status: the command's; 124 past the time limit; 125 when the VM failed.
"""

import argparse
import json
import lzma
import os
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import zlib

GUEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'guest')
ROOT_MODULES = ['9pnet_virtio', '9p', 'overlay']
GPU_MODULES = ['virtio_gpu', 'vgem', 'evdev', 'virtio_input', 'uinput']
# rodata and certificates save 0.7 s of an emulated boot: nothing here checks certificates,
# and nobody attacks this kernel. On a busy machine its test of the timer interrupt fails.
COMMAND_LINE = ('console=ttyS0 quiet loglevel=3 panic=-1 no_timer_check mitigations=off rodata=off '
                'initcall_blacklist=load_system_certificate_list')
PASSED_ON = ('SIGNALBOX_', 'WLR_', 'VK_', 'MESA_', 'LIBGL_', 'LP_', 'WAYLAND_', 'SBX_')
PASSED_ON_ALSO = ('CI', 'TERM', 'ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS')
TIMED_OUT, VM_FAILED = 124, 125


def say(text):
    print('vm: ' + text, file=sys.stderr, flush=True)


class Failure(Exception):
    """The VM could not do what was asked; the text is for the user."""


# The initramfs: busybox, the modules, and the guest's scripts.

def modules_in_order(kernel, names):
    listed = subprocess.run(['modprobe', '-S', kernel, '-aD', *names], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    paths = [line.split()[1] for line in listed.splitlines() if line.startswith('insmod')]
    return list(dict.fromkeys(paths))


def read_module(path):
    with open(path, 'rb') as file:
        data = file.read()
    return lzma.decompress(data) if path.endswith('.xz') else data


class Cpio:
    """Writes a "newc" archive, which is what the kernel unpacks."""

    def __init__(self, file):
        self.file, self.inode = file, 0

    def add(self, name, mode, data=b''):
        self.inode += 1
        name = name.encode() + b'\0'
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        header = b'070701' + b''.join(b'%08X' % field for field in fields)
        for part in (header + name, data):
            self.file.write(part + b'\0' * (-len(part) % 4))

    def directory(self, name):
        self.add(name, 0o040755)

    def program(self, name, data):
        self.add(name, 0o100755, data)

    def finish(self):
        self.add('TRAILER!!!', 0)


def add_modules(cpio, kernel):
    root = modules_in_order(kernel, ROOT_MODULES)
    gpu = [path for path in modules_in_order(kernel, GPU_MODULES) if path not in root]
    for name, paths in (('root.list', root), ('gpu.list', gpu)):
        names = [os.path.basename(path).removesuffix('.xz') for path in paths]
        for path, module in zip(paths, names):
            cpio.program('modules/' + module, read_module(path))
        cpio.program('modules/' + name, ''.join(n + '\n' for n in names).encode())


def add_busybox(cpio):
    with open(shutil.which('busybox'), 'rb') as file:
        cpio.program('bin/busybox', file.read())
    for applet in ('sh', 'mount', 'mkdir', 'cp', 'insmod', 'poweroff', 'switch_root',
                   'ip', 'hostname', 'ln'):
        cpio.add('bin/' + applet, 0o120777, b'busybox')


def add_guest(cpio, environment, command):
    for name in ('init', 'main', 'bin/lab-host', 'bin/lab-screendump', 'bin/lab-seat',
                 'bin/lab-sleep'):
        with open(os.path.join(GUEST, name), 'rb') as file:
            cpio.program('init' if name == 'init' else 'guest/' + name, file.read())
    exports = ''.join(f'export {k}={shlex.quote(v)}\n' for k, v in environment.items())
    cpio.program('guest/env', exports.encode())
    cpio.program('guest/command', command.encode())


def write_initramfs(path, kernel, environment, command):
    with open(path, 'wb') as file:
        cpio = Cpio(file)
        for name in ('bin', 'dev', 'proc', 'sys', 'tree', 'upper', 'root', 'modules',
                     'guest', 'guest/bin'):
            cpio.directory(name)
        add_busybox(cpio)
        add_modules(cpio, kernel)
        add_guest(cpio, environment, command)
        cpio.finish()


# QEMU and what it is asked over QMP.

def gpu_device(name, outputs, gl):
    sizes = [tuple(int(n) for n in size.split('x')) for size in outputs.split(',')]
    device = {'driver': 'virtio-gpu-gl-pci' if gl else 'virtio-gpu-pci', 'id': name,
              'xres': sizes[0][0], 'yres': sizes[0][1]}
    if len(sizes) > 1:
        device['max_outputs'] = len(sizes)
        device['outputs'] = [{'name': f'lab-{i}', 'xres': w, 'yres': h}
                             for i, (w, h) in enumerate(sizes)]
    if gl:
        device.update(hostmem=1 << 30, blob=True)
    return device


def accelerator():
    chosen = os.environ.get('SIGNALBOX_LAB_ACCEL', 'tcg')
    return 'tcg,thread=multi,tb-size=1024' if chosen == 'tcg' else chosen


class Machine:
    """One QEMU process; its console goes to a file, its output to ours."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.console = os.path.join(folder, 'console.log')
        self.messages = os.path.join(folder, 'qemu.log')
        self.process = self.display = None
        self.inherited = []
        self.ports_made = 0
        self.qmp_buffer = b''
        self.nap = None  # how many seconds it sleeps, the next time that it does
        self.host, host_end = socket.socketpair()
        self.qmp, qmp_end = socket.socketpair()
        self.ends = [host_end, qmp_end]

    def ports(self):
        host_end, qmp_end = self.ends
        arguments = [
            '-chardev', f'socket,id=qmp,fd={self.inherit(qmp_end.fileno())}',
            '-mon', 'chardev=qmp,mode=control',
            '-device', 'virtio-serial-pci',
            '-chardev', f'socket,id=host,fd={self.inherit(host_end.fileno())}',
            '-device', 'virtserialport,chardev=host,name=lab.host']
        if self.options.interactive:
            return arguments + ['-chardev', 'stdio,id=console,signal=off',
                                '-device', 'virtconsole,chardev=console,name=lab.console']
        streams = [('out', 1)] if same_file(1, 2) else [('out', 1), ('err', 2)]
        for index, (name, fd) in enumerate(streams):
            copy = self.inherit(os.dup(fd))
            arguments += ['-add-fd', f'fd={copy},set={index + 1}',
                          '-chardev', f'file,id={name},path=/dev/fdset/{index + 1},append=on',
                          '-device', f'virtserialport,chardev={name},name=lab.{name}']
        return arguments

    def inherit(self, fd):
        self.inherited.append(fd)
        return fd

    def device(self, device):
        """With --sleeps one that keeps what it has: a PCI Express device that says so, behind a port
        of its own. Neither 9p's driver nor virtio-gpu's (Linux 7.2) sets its device up again."""
        if not self.options.sleeps:
            return ['-device', json.dumps(device)]
        self.ports_made += 1
        port = {'driver': 'pcie-root-port', 'id': f'port{self.ports_made}',
                'chassis': self.ports_made}
        device = {**device, 'bus': port['id'], 'x-pcie-pm-no-soft-reset': True}
        return ['-device', json.dumps(port), '-device', json.dumps(device)]

    def share(self, tag, path, readonly):
        return ['-fsdev', f'local,id={tag},path={path},security_model=none,multidevs=remap'
                + (',readonly=on' if readonly else ''),
                *self.device({'driver': 'virtio-9p-pci', 'fsdev': tag, 'mount_tag': tag})]

    def shares(self):
        options = self.options
        arguments = [*self.share('root', options.tree, True),
                     *self.share('source', options.source, True),
                     *self.share('out', options.out, False)]
        if options.cache:
            arguments += self.share('cache', options.cache, False)
        return arguments

    def gpus(self):
        options = self.options
        devices = [gpu_device('gpu', options.outputs, options.gl)]
        if options.second_gpu:
            devices.append(gpu_device('gpu2', options.second_gpu, False))
        return [word for device in devices for word in self.device(device)]

    def arguments(self, kernel, initramfs):
        options = self.options
        return ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-no-reboot',
                '-machine', 'q35,memory-backend=memory', '-accel', accelerator(),
                '-cpu', 'max' if accelerator().startswith('tcg') else 'host',
                '-smp', '1' if options.sleeps else '2',
                '-m', options.memory,
                '-object', f'memory-backend-memfd,id=memory,size={options.memory}',
                '-kernel', kernel_image(kernel), '-initrd', initramfs,
                '-append', COMMAND_LINE,
                '-serial', f'file:{self.console}',
                '-display', 'sdl,gl=on' if options.gl else 'none',
                *self.gpus(),
                '-device', 'virtio-keyboard-pci', '-device', 'virtio-tablet-pci',
                *self.shares(), *self.ports()]

    def start(self, kernel, initramfs):
        environment = dict(os.environ)
        if self.options.gl:
            environment.update(DISPLAY=self.start_display(), LIBGL_ALWAYS_SOFTWARE='1',
                               SDL_VIDEODRIVER='x11')
        arguments = self.arguments(kernel, initramfs)
        with open(self.messages, 'wb') as log:
            self.process = subprocess.Popen(
                arguments, stdin=None if self.options.interactive else subprocess.DEVNULL,
                stdout=None if self.options.interactive else log, stderr=log,
                pass_fds=self.inherited, env=environment)
        for end in self.ends:
            end.close()
        self.read_qmp()
        self.ask({'execute': 'qmp_capabilities'})

    def start_display(self):
        """virglrenderer needs an X display: a software one that nobody sees."""
        reader, writer = os.pipe()
        with open(os.path.join(self.folder, 'xvfb.log'), 'wb') as log:
            self.display = subprocess.Popen(
                ['Xvfb', '-displayfd', str(writer), '-screen', '0', '4096x2160x24',
                 '-nolisten', 'tcp'],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writer])
        os.close(writer)
        with os.fdopen(reader) as file:
            number = file.readline().strip()
        if not number:
            raise Failure('Xvfb, which --gl needs, does not start')
        return ':' + number

    def read_qmp(self):
        while b'\n' not in self.qmp_buffer:
            data = self.qmp.recv(65536)
            if not data:
                raise Failure('QEMU ended: ' + tail(self.messages))
            self.qmp_buffer += data
        line, self.qmp_buffer = self.qmp_buffer.split(b'\n', 1)
        return json.loads(line)

    def ask(self, command):
        self.qmp.sendall(json.dumps(command).encode() + b'\n')
        while True:
            reply = self.read_qmp()
            if 'return' in reply or 'error' in reply:
                return reply

    def wake(self):
        """Wakes it after its nap, if it sleeps by now."""
        if self.ask({'execute': 'query-status'})['return']['status'] == 'suspended':
            time.sleep(self.nap)
            self.nap = None
            self.ask({'execute': 'system_wakeup'})

    def stop(self):
        for process in (self.process, self.display):
            if process and process.poll() is None:
                process.kill()
                process.wait()


def same_file(a, b):
    try:
        return os.path.sameopenfile(a, b)
    except OSError:
        return False


def tail(path, lines=30):
    try:
        with open(path, errors='replace') as file:
            return ''.join(file.readlines()[-lines:]).strip()
    except OSError:
        return ''


# Requests from the guest (lab-host).

def ppm_to_png(source, target):
    with open(source, 'rb') as file:
        magic, size, depth, pixels = file.read().split(b'\n', 3)
    if magic != b'P6' or depth != b'255':
        raise Failure(f'{source} is not an 8-bit PPM picture')
    width, height = (int(number) for number in size.split())
    rows = b''.join(b'\0' + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))

    def chunk(kind, data):
        return (struct.pack('>I', len(data)) + kind + data
                + struct.pack('>I', zlib.crc32(kind + data)))
    with open(target, 'wb') as file:
        file.write(b'\x89PNG\r\n\x1a\n'
                   + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
                   + chunk(b'IDAT', zlib.compress(rows, 6)) + chunk(b'IEND', b''))


def screendump(machine, words):
    if machine.options.gl:
        raise Failure('QEMU cannot dump the monitor of an OpenGL GPU: use grim')
    name, head, gpu = words + ['0', 'gpu'][len(words) - 1:]
    if '/' in name or name.startswith('.'):
        raise Failure(f'not a name for a picture: {name}')
    path = os.path.join(machine.options.out, name)
    reply = machine.ask({'execute': 'screendump', 'arguments':
                         {'filename': path + '.ppm', 'device': gpu, 'head': int(head)}})
    if 'error' in reply:
        raise Failure(reply['error']['desc'])
    ppm_to_png(path + '.ppm', path + '.png')
    return ''


def answer(machine, verb, rest):
    try:
        if verb == 'screendump':
            return 'ok ' + screendump(machine, rest.split())
        if verb == 'qmp':
            reply = machine.ask(json.loads(rest))
            return ('ok ' if 'return' in reply else 'error ') + json.dumps(
                reply.get('return', reply.get('error')))
        if verb == 'nap':
            machine.nap = float(rest)
            return 'ok'
        return f'error unknown request {verb}'
    except (Failure, OSError, ValueError, IndexError) as error:
        return f'error {error}'.replace('\n', ' ')


def serve(machine, deadline):
    """Answer the guest until the VM ends; returns the command's status or None."""
    status, buffer = None, b''
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return TIMED_OUT
        if machine.nap is not None:
            machine.wake()
        readable, _, _ = select.select([machine.host], [], [],
                                       min(left, 5 if machine.nap is None else 0.1))
        if not readable:
            continue
        try:
            data = machine.host.recv(65536)
        except ConnectionError:
            data = b''
        if not data:
            return status
        buffer += data
        while b'\n' in buffer:
            line, buffer = buffer.split(b'\n', 1)
            number, verb, rest = (line.decode(errors='replace') + '  ').split(' ', 2)
            if verb == 'exit':
                status, reply = int(rest), 'ok'
            else:
                reply = answer(machine, verb, rest.strip())
            machine.host.sendall(f'{number} {reply}\n'.encode())


def parse(arguments):
    parser = argparse.ArgumentParser(prog='./dev vm', description='Boot the lab VM.')
    parser.add_argument('--tree', required=True, help=argparse.SUPPRESS)
    parser.add_argument('--source', required=True, help=argparse.SUPPRESS)
    parser.add_argument('--out', required=True, help=argparse.SUPPRESS)
    parser.add_argument('--cache', help=argparse.SUPPRESS)
    parser.add_argument('--gl', action='store_true', help='an OpenGL GPU (virgl)')
    parser.add_argument('--outputs', default='1024x768', metavar='WxH[,WxH...]',
                        help='the monitors (default 1024x768)')
    parser.add_argument('--second-gpu', metavar='WxH[,WxH...]',
                        help='another GPU with monitors of its own (QEMU calls it gpu2)')
    parser.add_argument('--timeout', type=float, metavar='S', default=None,
                        help='end the VM after so many seconds (default 900; a shell: none)')
    parser.add_argument('--sleeps', action='store_true',
                        help='can be suspended (lab-sleep): its devices keep what they have then, and '
                        'there is one processor, as the second does not always come back')
    parser.add_argument('--memory', default='4G', help='of the VM (default 4G)')
    parser.add_argument('--env', action='append', default=[], metavar='NAME[=VALUE]',
                        help='pass one more variable on')
    parser.add_argument('command', nargs=argparse.REMAINDER, help='default: a shell')
    options = parser.parse_args(arguments)
    if options.command[:1] == ['--']:
        options.command = options.command[1:]
    options.interactive = not options.command
    if options.interactive and not (os.isatty(0) and os.isatty(1)):
        parser.error('a shell needs a terminal; give a command')
    if options.timeout is None:
        options.timeout = float('inf') if options.interactive else 900
    return options


def guest_environment(options):
    passed = {name: value for name, value in os.environ.items()
              if name.startswith(PASSED_ON) or name in PASSED_ON_ALSO}
    for entry in options.env:
        name, equals, value = entry.partition('=')
        if equals or name in os.environ:
            passed[name] = value if equals else os.environ[name]
    passed.update(SBX_OUT=options.out, LAB_SOURCE=options.source, SIGNALBOX_LAB='1',
                  LAB_CACHE='1' if options.cache else '')
    if options.interactive:
        size = os.get_terminal_size(0)
        passed.update(LAB_ROWS=str(size.lines), LAB_COLS=str(size.columns))
    return passed


def guest_command(options):
    command = 'exec bash -i' if options.interactive else 'exec ' + shlex.join(options.command)
    here = os.getcwd()
    return f'cd {shlex.quote(here)} 2>/dev/null || cd {shlex.quote(options.source)}\n{command}\n'


def kernel_image(version):
    places = (f'/lib/modules/{version}/vmlinuz', f'/boot/vmlinuz-{version}')
    return next((path for path in places if os.path.exists(path)), None)


def newest_kernel():
    kernels = [name for name in os.listdir('/lib/modules') if kernel_image(name)]
    if not kernels:
        raise Failure('the tree has no kernel')
    return max(kernels, key=lambda name: [int(n) for n in re.findall(r'\d+', name)])


def run(options, folder):
    deadline = time.monotonic() + options.timeout
    kernel, initramfs = newest_kernel(), os.path.join(folder, 'initramfs')
    write_initramfs(initramfs, kernel, guest_environment(options), guest_command(options))
    machine = Machine(options, folder)
    terminal = termios.tcgetattr(0) if options.interactive else None
    try:
        machine.start(kernel, initramfs)
        status = serve(machine, deadline)
    finally:
        machine.stop()
        if terminal:
            termios.tcsetattr(0, termios.TCSANOW, terminal)
        console = '\n'.join(line for line in tail(machine.console).splitlines()
                            if not line.endswith('reboot: Power down'))
        if console:
            say('the kernel and the guest wrote:\n' + console)
    if status is None:
        say('the VM ended before the command did\n' + tail(machine.messages))
        return VM_FAILED
    if status == TIMED_OUT and time.monotonic() >= deadline:
        say(f'ended after {options.timeout:.0f} s (--timeout)')
    return status


def main():
    options = parse(sys.argv[1:])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix='lab-') as folder:
        try:
            return run(options, folder)
        except (Failure, OSError, subprocess.CalledProcessError) as error:
            say(str(error))
            return VM_FAILED
        except KeyboardInterrupt:
            return 130


if __name__ == '__main__':
    sys.exit(main())
