"""The filter of system calls: what decoding needs is allowed, all else ends the process.

A refused call is not made: it waits until the template process, which holds the filter's
*listener*, has read its name and killed the caller. Nothing the caller does can change that name.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from service.understanding.sandbox import kernel, system_calls

_SET_FILTER, _NEW_LISTENER = 1, 1 << 3
_KILL, _ASK, _ERROR, _ALLOW = 0x80000000, 0x7FC00000, 0x00050000, 0x7FFF0000
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000
_RECEIVE = 0xC0502100
_NOTE = struct.Struct("QIIiIQ6Q")

_THREAD = 0x00010F00
"""CLONE_THREAD, _SIGHAND, _FILES, _FS and _VM: a thread of this process, not a new one."""
_NAMESPACES = 0x7E020000
_PR_SET_NAME = 15

_ALWAYS = (
    # Memory and threads.
    *("brk", "munmap", "mremap", "madvise", "futex", "set_robust_list", "rseq", "sched_yield"),
    *("sched_getaffinity", "gettid", "getpid", "exit", "exit_group", "sysinfo"),
    # Signals to itself: `abort` blocks some, and handlers return.
    *("rt_sigprocmask", "rt_sigaction", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    # Time, where the kernel does not answer in user space.
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time"),
    # The descriptors it was given.
    *("read", "pread64", "write", "lseek", "close", "poll", "ppoll"),
    *("recvfrom", "recvmsg", "sendto", "sendmsg", "getrandom"),
)
_REFUSED = {
    # Libraries look for files that they can do without: character sets, devices, sources.
    **dict.fromkeys(("open", "openat", "access", "faccessat", "faccessat2"), errno.EACCES),
    **dict.fromkeys(("stat", "lstat", "fstat", "newfstatat", "statx"), errno.EACCES),
    **dict.fromkeys(("readlink", "readlinkat"), errno.EACCES),
    **dict.fromkeys(("getcwd", "ioctl", "fcntl", "uname"), errno.EACCES),
    # Its arguments lie in memory where a filter cannot look; the C library then takes `clone`.
    "clone3": errno.ENOSYS,
}


@dataclass(frozen=True, slots=True)
class _If:
    """Allow a call if, in one of its arguments, the bits under the mask have this value.

    Otherwise it ends the process.
    """

    call: str
    argument: int
    mask: int
    value: int


def _conditions(process: int) -> tuple[_If, ...]:
    """Return the conditions of the calls that are allowed to the process in part."""
    return (
        _If("mmap", 2, mmap.PROT_EXEC, 0),
        _If("mprotect", 2, mmap.PROT_EXEC, 0),
        _If("clone", 0, _THREAD | _NAMESPACES, _THREAD),
        _If("prctl", 0, 0xFFFFFFFF, _PR_SET_NAME),
        _If("tgkill", 0, 0xFFFFFFFF, process),
    )


def supported() -> bool:
    """Return whether the calls of this processor are known."""
    return platform.machine() in system_calls.AUDIT_ARCHITECTURES


def install(process: int) -> int | None:
    """Filter the calls of this process, which has this number, for ever; return the listener.

    There is none on kernels before 5.0 or if another filter has one: then the kernel kills at once,
    and the call has no name. Needs `no_new_privs`. Raises OSError if there can be no filter.
    """
    if not supported():
        raise OSError(errno.ENOSYS, f"system calls of {platform.machine()} are not known")
    try:
        return _set(program(process, ask=True), _NEW_LISTENER)
    except OSError:
        _set(program(process, ask=False), 0)
        return None


def _set(instructions: bytes, flags: int) -> int:
    held = ctypes.create_string_buffer(instructions, len(instructions))
    fields = struct.pack("HP", len(instructions) // 8, ctypes.addressof(held))
    return kernel.call("syscall", system_calls.numbers()["seccomp"], _SET_FILTER, flags, fields)


def refused_call(listener: int) -> str:
    """Return the name of the call that waits at a listener; raise OSError if there is none."""
    note = bytearray(_NOTE.size)
    fcntl.ioctl(listener, _RECEIVE, note)
    return system_calls.name_of(_NOTE.unpack(note)[3])


def program(process: int, *, ask: bool, machine: str | None = None) -> bytes:
    """Return the filter as instructions for the kernel; unknown calls are asked for, or killed."""
    otherwise = _ASK if ask else _KILL
    return b"".join(_instructions(process, otherwise, machine or platform.machine()))


def _instructions(process: int, otherwise: int, machine: str) -> Iterator[bytes]:
    numbers = system_calls.numbers(machine)
    yield _step(_LOAD, _ARCHITECTURE_AT)
    yield _step(_EQUAL, system_calls.AUDIT_ARCHITECTURES[machine], if_not=2)
    yield _step(_LOAD, _NUMBER_AT)
    yield _step(_AT_LEAST, _X32, if_not=1)
    yield _step(_RETURN, _KILL)
    for name in _ALWAYS:
        if name in numbers:
            yield from (_step(_EQUAL, numbers[name], if_not=1), _step(_RETURN, _ALLOW))
    for name, error in _REFUSED.items():
        if name in numbers:
            yield from (_step(_EQUAL, numbers[name], if_not=1), _step(_RETURN, _ERROR | error))
    for one in _conditions(process):
        yield _step(_EQUAL, numbers[one.call], if_not=5)
        yield _step(_LOAD, _ARGUMENTS_AT + 8 * one.argument)
        yield _step(_AND, one.mask)
        yield _step(_EQUAL, one.value, if_not=1)
        yield _step(_RETURN, _ALLOW)
        yield _step(_RETURN, otherwise)
    yield _step(_RETURN, otherwise)


def _step(operation: int, value: int, *, if_not: int = 0) -> bytes:
    """Return an instruction; `if_not` is how many a comparison that fails goes past."""
    return struct.pack("HBBI", operation, 0, if_not, value)


def close(listener: int | None) -> None:
    """Close a listener, if there is one."""
    if listener is not None:
        os.close(listener)
