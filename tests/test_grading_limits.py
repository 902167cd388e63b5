"""However a submission takes memory, its box stays below its limit."""

import contextlib
import platform
import subprocess
import sys

import psutil
import pytest

from grading import groups, sandbox, supervisor, system_calls, watch

MEMORY, SMALL = 500, 60  # MB; the smaller limit where it takes long to get there
WAYS = {
    "private": """
for _ in range(12):
    if os.fork() == 0:
        hog = bytearray(os.urandom(1000)) * 100_000
        time.sleep(20)
""",
    "shared": """
hogs = [mmap.mmap(-1, 100_000_000) for _ in range(12)]
for hog in hogs:
    for place in range(0, 100_000_000, 4096): hog[place] = 1
""",
    "shared and let go of but for a page": """
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
for handle, flags in ((-1, 0x21), (os.open('/dev/zero', os.O_RDWR), 0x01)):
    for _ in range(7):
        place = libc.mmap(None, 100_000_000, 3, flags, handle, 0)
        if place in (None, 2**64 - 1): raise MemoryError
        ctypes.memset(place, 1, 100_000_000)
        libc.munmap(place + 4096, 100_000_000 - 4096)
""",
    "memfd": """
for number in range(9):
    handle = os.memfd_create(str(number))
    for _ in range(100): os.write(handle, bytes(1_000_000))
""",
    "files in folders in memory": """
for folder in ('/tmp', '/dev/shm', '/course/work'):
    for number in range(9):
        with open(f'{folder}/{number}', 'wb') as file:
            for _ in range(40): file.write(bytes(1_000_000))
""",
    "many small files": """
resource.setrlimit(resource.RLIMIT_DATA, (40_000_000, 40_000_000))
for number in range(1_000_000): os.mknod(f'/tmp/{number}')
""",
    "sockets": """
for child in range(12):
    if os.fork() == 0: break
pairs = []
while len(pairs) < 250:
    pairs.append(socket.socketpair())
    pairs[-1][0].setblocking(False)
    try:
        while True: pairs[-1][0].send(bytes(50_000))
    except BlockingIOError: pass
""",
    "a namespace of its own": """
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000 | 0x20000) != 0: raise PermissionError
libc.mount(b'none', b'/tmp', b'tmpfs', 0, b'size=90%')
for number in range(9):
    with open(f'/tmp/{number}', 'wb') as file:
        for _ in range(100): file.write(bytes(1_000_000))
""",
}
BEFORE = """
import ctypes, mmap, multiprocessing, os, resource, socket, sys, threading, time
sys.path.insert(0, '/grader/inside_box')
import limits
limits.become(USER)
limits.hold(MEMORY, 64)
"""


class Script(sandbox.Bubblewrap):
    """A box that runs a few lines in the place of a notebook."""

    def __init__(self, code, counted):
        super().__init__()
        self.code, self.counted = code, counted

    def started(self):
        before = BEFORE.replace("USER", str(self.user)).replace("MEMORY", str(MEMORY))
        words, handles = super().started()
        return [*words[:-2], "-c", f"{before}{self.code}\ntime.sleep(20)"], handles

    def group(self, limits):
        return super().group(limits) if self.counted else None


@contextlib.contextmanager
def scales():
    """A control group that holds nothing back and tells how much was in it, where there are any."""
    parents = groups.parents()
    group = groups.Group(parents, 8_000_000_000, 10_000) if parents else None
    yield group
    if group:
        group.close()


def most_in(group):
    """The most bytes that a control group ever held; 0 where there is none."""
    for name in ("memory.peak", "memory.max_usage_in_bytes"):
        if group and (group.places[0] / name).exists():
            return int((group.places[0] / name).read_text())
    return 0


def ending(code, counted, memory, monkeypatch):
    """The most bytes that a box held which runs some code, and how that ended."""
    limits = supervisor.Limits(memory=memory)
    box = Script(code, counted)
    with scales() as measure:
        group = box.group(limits)
        if not counted:
            monkeypatch.setattr(groups, "parents", lambda: ())
        process = box.start(group or measure)
        looking = watch.Watch(process, limits, group)
        try:
            status = process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            status = 0
        # The watch takes every socket for a full one; what the kernel counted is the measure.
        most = most_in(group or measure) or looking.held
        why = looking.verdict()
        looking.kill()
    return most, why, status


@pytest.mark.parametrize("counted", [True, False], ids=["by the kernel", "by the watch"])
@pytest.mark.parametrize("way", WAYS)
def test_a_box_stays_below_its_limit(bubblewrap, way, counted, monkeypatch):
    if counted and not groups.parents():
        pytest.skip("no control groups on this machine")
    memory = SMALL if way == "many small files" else MEMORY
    most, why, status = ending(WAYS[way], counted, memory, monkeypatch)
    print(f"{most / 1e6:.0f} MB, {why or status}")
    assert 5_000_000 < most < 1.2 * memory * 1_000_000
    assert why == "out of memory" or status == 1, "it got what it wanted"


def test_nothing_of_the_kernels_outlives_a_box(bubblewrap, monkeypatch):
    """No keyring, no namespace, no queue; and no path of the grader's in a command line."""
    column, _ = system_calls.MACHINES[platform.machine()]
    calls = ("keyctl", "add_key", "shmget", "bpf")
    numbers = [system_calls.NUMBERS[call][column] for call in calls]
    backwards = str(sandbox.ROOT / "data")[::-1]  # the code stands in the command line, too
    code = f"""
libc = ctypes.CDLL(None, use_errno=True)
for number in {numbers}:
    if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 38: sys.exit(2)
if os.fork() == 0: os._exit(0)
threading.Thread(target=print).start()
multiprocessing.Pool(2).map(abs, [1])
sys.exit(3 if {backwards!r}[::-1] in open('/proc/1/cmdline').read() else 0)
"""
    assert ending(code, False, MEMORY, monkeypatch)[1:] == ("", 0)


def test_workers_that_share_their_memory_are_counted_once():
    """Eight processes that read one array of 100 MB."""
    code = """
import os, sys, time
shared = bytearray(os.urandom(1000)) * 100_000
for worker in range(8):
    if os.fork() == 0: time.sleep(60)
print("ready", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    family = [process, *psutil.Process(process.pid).children()]
    members = [member.pid for member in family]
    try:
        assert watch.memory_of(members) > 800_000_000
        assert 100_000_000 < watch.memory_of(members, shared=True) < 250_000_000
    finally:
        for member in family:
            member.kill()
        process.wait()
