"""The layers of the sandbox, each with where it is put on and whether it must be there.

The gateway closes itself (`close_to_others`); the template process, which holds no secret and never
reads a clip, puts on all that is inherited (`leave_world`, `give_up_rights`); every child puts on
its own limits and its filter (`confine_child`). `docs/adr/0009` says what each layer stops.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum

from service.understanding.sandbox import kernel, landlock, seccomp
from ssuformer.errors import ConfigError

ON = "on"
"""What a report says of a layer that is on; of others it gives the reason."""
Report = dict["Layer", str]

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_APART = 0x10000000 | 0x40000000 | 0x20000000 | 0x08000000
"""New namespaces of users, networks, processes and System V objects."""
_MOST_DESCRIPTORS = 32


class Layer(StrEnum):
    """A layer of the sandbox, as named in readiness details and by `ssu doctor`."""

    NOT_DUMPABLE = "not_dumpable"
    SEALED_MEMORY = "sealed_memory"
    NO_NEW_PRIVILEGES = "no_new_privileges"
    SYSTEM_CALLS = "system_calls"
    NO_CAPABILITIES = "no_capabilities"
    LANDLOCK = "landlock"
    NAMESPACES = "namespaces"
    EMPTY_ROOT = "empty_root"


REQUIRED = frozenset(
    (Layer.NOT_DUMPABLE, Layer.SEALED_MEMORY, Layer.NO_NEW_PRIVILEGES, Layer.SYSTEM_CALLS)
)
"""What `SSU_SANDBOX=required` insists on; the others are put on where the kernel gives them."""


def lacking(report: Mapping[Layer, str]) -> list[str]:
    """Return each required layer that is not on, with the reason."""
    reasons = {layer: report.get(layer, "not tried") for layer in sorted(REQUIRED)}
    return [f"{layer}: {reason}" for layer, reason in reasons.items() if reason != ON]


def insist(report: Mapping[Layer, str]) -> None:
    """Raise ConfigError if a required layer is not on."""
    absent = lacking(report)
    if absent:
        raise ConfigError(
            f"SSU_SANDBOX is required, but these layers cannot be put on: {'; '.join(absent)}",
            actual=absent[0],
        )


def attempt(put_on: Callable[[], object]) -> str:
    """Put a layer on; return that it is on, or why it cannot be."""
    try:
        put_on()
    except OSError as error:
        return error.strerror or str(error)
    return ON


def close_to_others() -> None:
    """Deny the processes of this user this one's memory, environment and descriptors."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def sealed_memory(size: int) -> int:
    """Return the descriptor of unnamed memory whose size nobody can change."""
    descriptor = os.memfd_create("chunk", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    return descriptor


def read_only(descriptor: int) -> int:
    """Return a descriptor of the same file that can only be read, with a position of its own."""
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)


def die_with_parent() -> None:
    """Have this process killed when the one that started it ends."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


class Expendability:
    """How soon the kernel ends this process, or a child of it, if memory runs out.

    Children go first, as one of them takes the memory. With the template all of them would go.
    """

    _SELF, _CHILD = b"500", b"1000"

    def __init__(self) -> None:
        # First a value between, as root could not go back from a higher one without capabilities.
        self._file: int | None = None
        with suppress(OSError):
            self._file = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        self.of_this_process()

    def of_children(self) -> None:
        """Let what is forked next go first."""
        self._write(self._CHILD)

    def of_this_process(self) -> None:
        """Let this process go after its children, but before all others."""
        self._write(self._SELF)

    def _write(self, score: bytes) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.pwrite(self._file, score, 0)


def leave_world() -> Report:
    """Go on in new namespaces, if possible: as a new process, which this one waits for.

    The working folder afterwards is one that exists no longer, and is to become the root.
    """
    found = attempt(_enter_deleted_folder)
    report = {Layer.NAMESPACES: attempt(lambda: kernel.call("unshare", _APART))}
    if found != ON:
        report[Layer.EMPTY_ROOT] = found
    if report[Layer.NAMESPACES] == ON and (process := os.fork()):
        os.closerange(0, _MOST_DESCRIPTORS)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) & 0xFF)
    die_with_parent()
    return report


def _enter_deleted_folder() -> None:
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)  # noqa: PTH106


def give_up_rights(before: Report) -> Report:
    """Put on all layers that children inherit; return the report with those from before."""
    report = dict(before)
    if Layer.EMPTY_ROOT not in report:
        # Only a process in a user namespace of its own, or root, may change its root.
        report[Layer.EMPTY_ROOT] = attempt(lambda: os.chroot("."))
    report[Layer.NO_CAPABILITIES] = attempt(kernel.drop_capabilities)
    report[Layer.NO_NEW_PRIVILEGES] = attempt(lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1))
    report[Layer.LANDLOCK] = attempt(landlock.restrict)
    report[Layer.NOT_DUMPABLE] = attempt(close_to_others)
    return report


def limit(*, memory: int, processor_seconds: float) -> None:
    """Set the limits that this process cannot raise: memory, processor time, files, no dumps."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    seconds = int(processor_seconds) + 1
    # At the first the kernel says why (SIGXCPU), at the second it kills.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_DESCRIPTORS, _MOST_DESCRIPTORS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def filter_calls() -> tuple[str, int | None]:
    """Filter the system calls of this process; return the report and the filter's listener."""
    try:
        return ON, seccomp.install(os.getpid())
    except OSError as error:
        return error.strerror or os.strerror(error.errno or errno.ENOSYS), None
