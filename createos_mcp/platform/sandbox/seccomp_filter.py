"""A filter of system calls, as a program for `bwrap --seccomp FD`; the standard library only.

It denies what an app never needs and what has been a way out of sandboxes: the deny lists of
Flatpak, Docker and systemd's `@privileged`, less what languages and package managers use. Numbers
are those of https://github.com/torvalds/linux/tree/master/arch/x86/entry/syscalls and
https://github.com/torvalds/linux/blob/master/include/uapi/asm-generic/unistd.h.
"""

import errno
import platform
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence

Numbers = tuple[int | None, int | None]
"""A call's number on x86_64 and on aarch64."""

Instruction = tuple[int, int, int, int]
"""`struct sock_filter`: code, jump if true, jump if false, operand."""

DENIED: Mapping[str, Numbers] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
"""Answered with EPERM."""

ABSENT: Mapping[str, Numbers] = {
    # A filter cannot look into clone3's argument: https://github.com/flatpak/flatpak/issues/4456
    "clone3": (435, 435),
    # libuv tries io_uring and goes on without: https://github.com/moby/moby/pull/46762
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "pidfd_getfd": (438, 438),
    # Memory of these is in no process's account.
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
}
"""Answered with ENOSYS, as by an older kernel, so that libraries fall back."""

CLONE: Numbers = (56, 220)
UNSHARE: Numbers = (272, 97)
IOCTL: Numbers = (16, 29)
SOCKET: Numbers = (41, 198)

FAMILIES = (1, 2, 10, 16)
"""unix, inet, inet6, netlink: no packet, no alg, and no vsock, which leads to the hypervisor."""

NAMESPACES = 0x7E020080
"""CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}; the last shares its bit with clone's signal."""
NEW_TIME = 0x80

TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX, which type into the terminal; the low 32 bits count, CVE-2019-7303."""

ARCHITECTURES: Mapping[str, tuple[int, int]] = {
    "x86_64": (0xC000003E, 0),
    "aarch64": (0xC00000B7, 1),
}
"""AUDIT_ARCH_* and the column of `Numbers`."""

X32 = 0x40000000
"""From here on x86_64 numbers are those of the x32 ABI: the same calls under other numbers."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`."""


def is_supported(machine: str | None = None) -> bool:
    """Whether there is a table for this kind of machine, by default the one that this runs on."""
    return (machine or platform.machine()) in ARCHITECTURES


def build_filter(machine: str | None = None, *, allowed: Collection[str] = ()) -> bytes:
    """The filter, an array of `struct sock_filter`.

    Args:
        machine: `x86_64` or `aarch64`; by default the machine that this runs on.
        allowed: Calls that are let through nevertheless.
    """
    audit, column = ARCHITECTURES[machine or platform.machine()]
    code: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if column == 0:
        code += [(_AT_LEAST, 0, 1, X32), _fail(errno.ENOSYS)]
    for table, number in ((DENIED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        calls = (row[column] for name, row in table.items() if name not in allowed)
        for call in calls:
            if call is not None:
                code += [(_EQUAL, 0, 1, call), _fail(number)]
    code += _conditions(column)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _conditions(column: int) -> Iterable[Instruction]:
    """Calls that are denied because of an argument."""
    deny, allow = _fail(errno.EPERM), (_RETURN, 0, 0, _ALLOW)
    new_namespaces = [(_ANY_BIT, 0, 1, NAMESPACES), deny, allow]
    cloned = [(_ANY_BIT, 0, 1, NAMESPACES & ~NEW_TIME), deny, allow]
    first, second = TERMINAL_INPUT
    typed = [(_EQUAL, 1, 0, first), (_EQUAL, 0, 1, second), deny, allow]
    count = len(FAMILIES)
    opened = [(_EQUAL, count - i, 0, family) for i, family in enumerate(FAMILIES)]
    opened += [_fail(errno.EAFNOSUPPORT), allow]
    yield from _condition(CLONE[column], 0, cloned)
    yield from _condition(UNSHARE[column], 0, new_namespaces)
    yield from _condition(IOCTL[column], 1, typed)
    yield from _condition(SOCKET[column], 0, opened)


def _condition(
    call: int | None, argument: int, body: Sequence[Instruction]
) -> Iterable[Instruction]:
    """Instructions for one call alone, about the low half of one of its arguments."""
    yield (_EQUAL, 0, len(body) + 1, call or 0)
    yield (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)
    yield from body


def _fail(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)
