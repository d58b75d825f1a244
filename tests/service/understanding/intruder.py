"""A program in the place of a decoding process, as if a clip had taken it over: it tries things.

python -m tests.service.understanding.intruder is started by the gateway in `invaded`. The upload
says what to try; `done`, or why not, comes back in place of the name of the video's codec.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from service.understanding import decoding_template
from service.understanding.decoding_child import ChunkMemory
from service.understanding.sandbox import kernel, landlock, layers
from service.understanding.sandbox.layers import Layer, Report

ONLY = "ONLY_LAYERS"
"""Variable with the layers to be put on, with commas between; all if it is not set."""
_PTRACE_SEIZE = 0x4206
EXECUTED = "this is another program"
_STAYS: list[Any] = []
"""What is to live as long as the process; first of all the template's number."""


class Facts(dict[str, Any]):
    """What an intruder knows of the gateway: its number, a port, a descriptor, an address."""


def _number(name: str) -> int:
    from service.understanding.sandbox.system_calls import numbers

    return numbers()[name]


def read_environment(facts: Facts) -> None:
    """Read the gateway's environment, with the key in it."""
    assert facts["secret"].encode() in Path(f"/proc/{facts['gateway']}/environ").read_bytes()


def read_key_file(facts: Facts) -> None:
    """Open the file with the keys."""
    assert facts["secret"] in Path(facts["key_file"]).read_text()


def read_memory(facts: Facts) -> None:
    """Read the gateway's memory by /proc."""
    with Path(f"/proc/{facts['gateway']}/mem").open("rb") as memory:
        os.pread(memory.fileno(), 16, facts["address"])


def read_memory_by_call(facts: Facts) -> None:
    """Read the gateway's memory by `process_vm_readv`."""
    _move_memory("process_vm_readv", facts)


def write_memory_by_call(facts: Facts) -> None:
    """Write into the gateway's memory by `process_vm_writev`."""
    _move_memory("process_vm_writev", facts)


def _move_memory(call: str, facts: Facts) -> None:
    held = ctypes.create_string_buffer(8)
    here = struct.pack("PN", ctypes.addressof(held), 8)
    there = struct.pack("PN", facts["address"], 8)
    kernel.call("syscall", _number(call), facts["gateway"], here, 1, there, 1, 0)


def read_other_upload(facts: Facts) -> None:
    """Open somebody else's upload through the gateway's descriptors."""
    file = Path(f"/proc/{facts['gateway']}/fd/{facts['other_upload']}")
    assert b"somebody" in file.read_bytes()


def take_descriptor(facts: Facts) -> None:
    """Copy one of the gateway's descriptors."""
    process = kernel.call("syscall", _number("pidfd_open"), facts["gateway"], 0)
    kernel.call("syscall", _number("pidfd_getfd"), process, facts["other_upload"], 0)


def trace_gateway(facts: Facts) -> None:
    """Attach to the gateway as a debugger does."""
    kernel.call("ptrace", _PTRACE_SEIZE, facts["gateway"], None, None)


def trace_template(_: Facts) -> None:
    """Attach to the template process."""
    kernel.call("ptrace", _PTRACE_SEIZE, _STAYS[0], None, None)


def connect(facts: Facts) -> None:
    """Open a TCP connection."""
    with socket.socket() as link:
        link.connect(("127.0.0.1", facts["port"]))


def connect_abstract(facts: Facts) -> None:
    """Connect to a service of this machine by an abstract name."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect("\0" + facts["abstract"])


def send_datagram(facts: Facts) -> None:
    """Send a UDP packet."""
    with socket.socket(type=socket.SOCK_DGRAM) as link:
        link.sendto(b"out", ("127.0.0.1", facts["port"]))


def listen(_: Facts) -> None:
    """Listen for connections from outside."""
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))


def signal_gateway(facts: Facts) -> None:
    """Send the gateway a signal."""
    os.kill(facts["gateway"], facts["signal"])


def signal_template(_: Facts) -> None:
    """Stop the template, and with it the whole service."""
    os.kill(_STAYS[0], 0)


def fork(_: Facts) -> None:
    """Start another process, which would outlive this one."""
    if os.fork() == 0:
        os._exit(0)


def execute(_: Facts) -> None:
    """Run a program."""
    os.execv("/bin/sh", ["sh", "-c", f"echo {EXECUTED} >&2"])


def make_code(_: Facts) -> None:
    """Make memory executable."""
    _STAYS.append(mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))


def write_file(facts: Facts) -> None:
    """Make a file."""
    Path(facts["folder"], f"made-by-{os.getpid()}").write_bytes(b"")


def delete_file(facts: Facts) -> None:
    """Delete a file."""
    Path(facts["folder"], "precious").unlink()
    Path(facts["folder"], "precious").touch()


def read_file(_: Facts) -> None:
    """Read a file of the machine."""
    Path("/etc/passwd").read_bytes()


def list_files(_: Facts) -> None:
    """List a folder."""
    assert list(Path("/").iterdir())


def look_for_file(_: Facts) -> None:
    """Learn whether a file is there, and its size."""
    call, here, empty_path = _number("newfstatat"), -100, 0x1000
    kernel.call("syscall", call, here, b"/etc/passwd", bytes(256), empty_path)


def write_upload(facts: Facts) -> None:
    """Change the upload while the gateway still has it."""
    os.pwrite(facts["upload"], b"x", 0)


def reopen_upload(facts: Facts) -> None:
    """Open the upload again, for writing."""
    os.close(os.open(f"/proc/self/fd/{facts['upload']}", os.O_RDWR))


def forge_log(_: Facts) -> None:
    """Write a line into the gateway's log, on its standard output."""
    os.write(1, b'{"event": "forged"}\n')
    raise OSError(0, "written to nowhere")


def forge_errors(facts: Facts) -> None:
    """Write a line where the gateway's own errors go."""
    os.write(2, b'{"event": "forged"}\n')
    assert os.fstat(2).st_ino == facts["stderr"]


def truncate_memory(_: Facts) -> None:
    """Shrink the shared memory, so that the gateway dies of reading it."""
    for descriptor in range(3, 32):
        try:
            os.ftruncate(descriptor, 0)
        except OSError:
            continue
        return
    raise PermissionError(1, "no descriptor can be cut")


def outlive_parent(_: Facts) -> None:
    """Go on when the gateway has ended."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 0)


def raise_limits(_: Facts) -> None:
    """Take more memory than allowed."""
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def limit_gateway(facts: Facts) -> None:
    """Take descriptors away from the gateway."""
    limits = struct.pack("QQ", 256, 256)
    kernel.call("prlimit", facts["gateway"], 7, limits, None)


def be_root_elsewhere(_: Facts) -> None:
    """Make a user namespace, with all the kernel's code behind it."""
    kernel.call("unshare", 0x10000000)


def use_io_uring(_: Facts) -> None:
    """Make a ring, whose calls no filter sees."""
    kernel.call("syscall", _number("io_uring_setup"), 1, bytes(120))


ATTEMPTS: dict[str, Callable[[Facts], None]] = {
    attempt.__name__: attempt
    for attempt in (
        *(read_environment, read_key_file, read_memory, read_memory_by_call),
        *(write_memory_by_call, read_other_upload, take_descriptor, trace_gateway),
        *(trace_template, connect, connect_abstract, send_datagram, listen, signal_gateway),
        *(signal_template, fork, execute, make_code, write_file, delete_file, read_file),
        *(list_files, look_for_file, write_upload, reopen_upload, forge_log, forge_errors),
        *(truncate_memory, outlive_parent, raise_limits, limit_gateway, be_root_elsewhere),
        *(use_io_uring,),
    )
}


def intrude(gateway: socket.socket, memory: ChunkMemory) -> None:
    """Try what the upload says, and report."""
    _STAYS.append(memory)
    gateway.sendall(orjson.dumps({"ready": True}))
    _, files, _, _ = socket.recv_fds(gateway, 65_536, 1)
    facts = Facts(orjson.loads(os.pread(files[0], 65_536, 0)), upload=files[0])
    try:
        ATTEMPTS[facts["attempt"]](facts)
        outcome = "done"
    except AssertionError:
        outcome = "in vain"
    except ValueError as error:
        outcome = str(error)
    except OSError as error:
        outcome = error.strerror or str(error)
    info: dict[str, Any] = {"duration": 1.0, "width": 1, "height": 1, "rotation": 0, "fps": 1.0}
    info |= {"has_audio": False, "video_codec": outcome, "audio_codec": None}
    info |= {"mirrored": False, "video_track": 0, "audio_track": None}
    gateway.sendall(orjson.dumps({"info": info}))
    gateway.recv(65_536)
    gateway.sendall(orjson.dumps({"end": {"duration": 1.0, "warnings": [], "packets": [1, 0]}}))


def put_on_only(chosen: set[str]) -> None:
    """Leave out every layer but these, to see what each of them stops alone."""
    if Layer.SYSTEM_CALLS not in chosen:
        layers.filter_calls = lambda: ("left out", None)
    if Layer.NAMESPACES not in chosen:
        layers.leave_world = lambda: {}
    give_up_rights = layers.give_up_rights

    def give_up_some(before: Report) -> Report:
        if Layer.LANDLOCK not in chosen:
            landlock.restrict = lambda: None
        if Layer.NOT_DUMPABLE not in chosen:
            layers.close_to_others = lambda: None
        if Layer.EMPTY_ROOT not in chosen:
            before = {**before, Layer.EMPTY_ROOT: "left out"}
        return give_up_rights(before)

    layers.give_up_rights = give_up_some


if __name__ == "__main__":
    if ONLY in os.environ:
        put_on_only(set(os.environ[ONLY].split(",")))
    decoding_template.warm_up = lambda: _STAYS.append(os.getpid())
    decoding_template.main(intrude)
