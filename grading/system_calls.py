"""The system calls that a box has no use for, as a filter that the kernel runs (seccomp).

A submission needs files, memory, processes and threads. It needs no kernel keyring (which would
outlive the box), no namespaces and mounts of its own, no queues and segments of System V, and none
of the interfaces that hold memory in the kernel or were a way out of a sandbox before.

A filter is a small program for a machine with one register (BPF): load a word of the call, compare,
jump, return what is to happen. See the kernel's documentation, `userspace-api/seccomp_filter`.
"""

import errno
import platform
import struct
from collections.abc import Sequence

# Each system call's number on x86_64 and on aarch64.
NUMBERS = {
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "ptrace": (101, 117),
    "clone": (56, 220),
    "clone3": (435, 435),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mmap": (9, 222),
    "socket": (41, 198),
    "setsockopt": (54, 208),
}
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, the kernel's name
X32 = 0x40000000  # numbers from here on are x86_64's second set of calls

NEVER = (
    "add_key", "request_key", "keyctl",
    "unshare", "setns", "mount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr",
    "shmget", "msgget", "semget",
    "io_uring_setup", "bpf", "perf_event_open", "userfaultfd", "ptrace",
)  # fmt: skip
NEW_NAMESPACES = 0x7E020000  # the flags of `clone` for them
UNIX_SOCKETS = 1
MAP_SHARED, MAP_ANONYMOUS = 0x01, 0x20
SOL_SOCKET, SIZES_OF_BUFFERS = 1, (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF, and both by force

Condition = tuple[int, int, int, bool]
Step = tuple[int, ...]
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, MACHINE, ARGUMENTS = 0, 4, 16  # where the words of a call lie
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000


def machine_is_known() -> bool:
    """Whether there is a filter for this machine's processor."""
    return platform.machine() in MACHINES


def program(counted: bool) -> bytes:
    """The filter as bytes, as `bwrap --seccomp` takes it.

    Args:
        counted: whether the kernel counts all memory of the box (a control group). Without one,
            memory that belongs to no process can be held by nobody to a limit: then there is none.
    """
    column, name = MACHINES[platform.machine()]
    numbers = {call: both[column] for call, both in NUMBERS.items()}
    steps = [(LOAD, MACHINE), (EQUAL, name, 1, 0), (RETURN, KILL), (LOAD, NUMBER)]
    if column == 0:
        steps += [(AT_LEAST, X32, 0, 1), (RETURN, KILL)]
    for call in NEVER:
        steps += _refused(numbers[call], [], errno.ENOSYS)
    # Programs fall back to `clone`, whose flags can be looked at.
    steps += _refused(numbers["clone3"], [], errno.ENOSYS)
    steps += _refused(numbers["clone"], [(0, ANY_BIT, NEW_NAMESPACES, True)], errno.EPERM)
    if not counted:
        shared = [(3, ANY_BIT, MAP_ANONYMOUS, True), (3, ANY_BIT, MAP_SHARED, True)]
        steps += _refused(numbers["mmap"], shared, errno.ENOMEM)
        steps += _refused(numbers["memfd_create"], [], errno.ENOMEM)
        steps += _refused(numbers["memfd_secret"], [], errno.ENOMEM)
        steps += _refused(numbers["socket"], [(0, EQUAL, UNIX_SOCKETS, False)], errno.EACCES)
        for size in SIZES_OF_BUFFERS:
            larger = [(1, EQUAL, SOL_SOCKET, True), (2, EQUAL, size, True)]
            steps += _refused(numbers["setsockopt"], larger, errno.EPERM)
    steps.append((RETURN, ALLOW))
    return b"".join(_instruction(*step) for step in steps)


def _refused(number: int, conditions: Sequence[Condition], error: int) -> list[Step]:
    """The steps that let one call fail, where all conditions on its arguments hold.

    Args:
        conditions: each an argument's place, a comparison, its number, and what it must give.
    """
    length = 2 * len(conditions) + 2  # behind the first step: the rest, and the number again
    steps: list[Step] = [(EQUAL, number, 0, length)]
    for place, (argument, comparison, value, wanted) in enumerate(conditions):
        on = length - 2 * place - 3  # steps from behind this comparison to the last
        steps.append((LOAD, ARGUMENTS + 8 * argument))
        steps.append((comparison, value, *((0, on) if wanted else (on, 0))))
    return [*steps, (RETURN, FAIL | error), (LOAD, NUMBER)]


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
