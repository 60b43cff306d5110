"""Landlock: what a process and its children may see of the files, where bubblewrap is missing.

By system calls only, for the launcher: https://docs.kernel.org/userspace-api/landlock.html. Rules
only add, and nothing that holds an allowed directory can be taken away again.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Sequence

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_NO_NEW_PRIVS, _SECCOMP, _FILTER_MODE = 38, 22, 2
_DROP_FROM_BOUNDING_SET, _LAST_CAPABILITY = 24, 63

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15
"""Rights that a rule for a single file may have; the others are those of directories."""

_SCOPED_FROM, _NETWORK_FROM = 6, 4
_SCOPED = 0b11
"""Abstract sockets and signals stay among those that are restricted together."""

READ = _EXECUTE | _READ_FILE | _READ_DIR
DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


def version() -> int:
    """What this kernel has of it; 0 when nothing."""
    found = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    return max(int(found), 0)


def restrict(*, write: Sequence[str], read: Sequence[str]) -> None:
    """Let this process and its children write below some paths and read below others.

    Raises:
        OSError: The kernel does not do it.
    """
    has = version()
    if not has:
        raise OSError("this kernel has no Landlock")
    handled = _handled_rights(has)
    attributes = struct.pack("=QQQ", handled, 0, _SCOPED if has >= _SCOPED_FROM else 0)
    size = 24 if has >= _SCOPED_FROM else 16 if has >= _NETWORK_FROM else 8
    ruleset = _call(_CREATE_RULESET, attributes[:size], ctypes.c_size_t(size), 0)
    rules = ((write, handled), (DEVICES, READ | _WRITE_FILE), (read, READ))
    for paths, rights in rules:
        for path in filter(os.path.exists, paths):
            _allow(ruleset, path, rights & handled)
    forgo_new_rights()
    _call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def forgo_new_rights() -> None:
    """No program that runs from here on gets more rights than this process has."""
    _prctl(_NO_NEW_PRIVS, 1, 0)


def drop_capabilities() -> None:
    """Let no program that runs from here on have a capability, root in a namespace or not."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_LAST_CAPABILITY + 1):
        libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)


def install_filter(program: bytes) -> None:
    """Refuse what a filter of system calls refuses, to this process and its children.

    Raises:
        OSError: The kernel does not do it.
    """
    if not program:
        return
    kept = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(kept))
    forgo_new_rights()
    _prctl(_SECCOMP, _FILTER_MODE, header)


def _handled_rights(has: int) -> int:
    """All rights that this version knows, so that what no rule allows is refused."""
    rights = (1 << 13) - 1
    for since, right in ((2, 1 << 13), (3, 1 << 14), (5, 1 << 15)):
        rights |= right if has >= since else 0
    return rights


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        held = rights if stat.S_ISDIR(os.fstat(descriptor).st_mode) else rights & _OF_FILES
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", held, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"system call {number}: {os.strerror(code)}")
    return int(result)


def _prctl(option: int, first: int, second: object) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, first, second, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")
