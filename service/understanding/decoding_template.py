"""The process that decoding processes are forked from: warm, single-threaded, without secrets.

It has imported and tried FFmpeg, has put on every layer of the sandbox that children inherit, and
never reads a clip. The gateway asks it in JSON, a message per packet of a socket: `fork` (with the
child's socket, memory and stderr) is answered by `born`, `kill` by nothing; `ended` tells how each
child ended, and which system call it was refused.
"""

from __future__ import annotations

import gc
import io
import os
import pkgutil
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Literal, NoReturn

import av
import numpy as np
import orjson

from service.understanding.decoding_child import MESSAGE_LIMIT, ChunkMemory, serve
from service.understanding.sandbox import layers, seccomp, system_calls
from ssuformer.clip import read_clip
from ssuformer.media.hdr import CURVES, to_usual_range

Sandbox = Literal["required", "auto", "off"]
Work = Callable[[socket.socket, ChunkMemory], None]
_MOST_DESCRIPTORS = 1024
_NOT_FOR_READING = frozenset(("av.__main__", "av.datasets"))
"""Modules of PyAV that no clip needs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the gateway tells the template when it starts it."""

    gateway: int
    """Descriptor of the socket to the gateway."""
    chunk_frames: int
    memory: int
    processor_seconds: float
    sandbox: Sandbox


@dataclass(slots=True)
class _Child:
    """A child that runs: the listener of its filter, and the call that it was refused."""

    listener: int | None
    refused: str | None = None


def main(work: Work = serve) -> None:
    """Fork children that do this work until the gateway closes the socket."""
    plan = Plan(**orjson.loads(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    av.logging.set_level(None)
    layers.die_with_parent()
    report = layers.leave_world() if plan.sandbox != "off" else {}
    expendability = layers.Expendability()
    warm_up()
    if plan.sandbox != "off":
        report = layers.give_up_rights(report)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=plan.gateway) as gateway:
        Template(gateway, plan, work, expendability).run(report)


class Template:
    """Forks children on demand, kills them on demand, and reports how they ended."""

    def __init__(
        self,
        gateway: socket.socket,
        plan: Plan,
        work: Work,
        expendability: layers.Expendability,
    ) -> None:
        self._gateway = gateway
        self._expendability = expendability
        self._plan = plan
        self._work = work
        self._children: dict[int, _Child] = {}
        self._selector = selectors.DefaultSelector()

    def run(self, report: layers.Report) -> None:
        """Serve until the gateway closes the socket, then end all children."""
        woken, wake = socket.socketpair()
        wake.settimeout(0)
        signal.set_wakeup_fd(wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(woken, selectors.EVENT_READ, lambda: self._reap(woken))
        self._selector.register(self._gateway, selectors.EVENT_READ, self._obey)
        self._send({"report": {layer.value: found for layer, found in report.items()}})
        with suppress(EOFError, ConnectionError):
            while True:
                for key, _ in self._selector.select():
                    key.data()
        for process in self._children:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)

    def _obey(self) -> None:
        line, files, _, _ = socket.recv_fds(self._gateway, MESSAGE_LIMIT, 3)
        if not line:
            raise EOFError
        order = orjson.loads(line)
        if "fork" in order:
            self._fork(files)
        elif order["kill"] in self._children:
            os.kill(order["kill"], signal.SIGKILL)

    def _fork(self, files: list[int]) -> None:
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self._expendability.of_children()
        process = os.fork()
        if process == 0:
            _be_child(theirs, files, self._plan, self._work)
        self._expendability.of_this_process()
        theirs.close()
        for file in files:
            os.close(file)
        with ours:
            found, listeners, _, _ = socket.recv_fds(ours, MESSAGE_LIMIT, 1)
        self._children[process] = _Child(next(iter(listeners), None))
        for listener in listeners:
            judge = partial(self._judge, process, listener)
            self._selector.register(listener, selectors.EVENT_READ, judge)
        self._send({"born": process, "filter": found.decode()})

    def _judge(self, process: int, listener: int) -> None:
        """End a child that made a call which is not allowed, and keep the call's name."""
        child = self._children.get(process)
        if child is None:
            return
        with suppress(OSError):  # it may have been killed meanwhile
            child.refused = seccomp.refused_call(listener)
        os.kill(process, signal.SIGKILL)

    def _reap(self, woken: socket.socket) -> None:
        woken.recv(MESSAGE_LIMIT)
        while self._children:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            child = self._children.pop(process, _Child(None))
            if child.listener is not None:
                self._selector.unregister(child.listener)
                os.close(child.listener)
            status = os.waitstatus_to_exitcode(status)
            self._send({"ended": process, "status": status, "refused": child.refused})

    def _send(self, message: dict[str, Any]) -> None:
        self._gateway.sendall(orjson.dumps(message))


def _be_child(template: socket.socket, files: list[int], plan: Plan, work: Work) -> NoReturn:
    """Go on as a child: with its own files only, limited, filtered, for one clip."""
    try:
        layers.die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        gateway_file, memory_file, words = files
        os.dup2(words, sys.stderr.fileno())
        _close_all_but(gateway_file, memory_file, template.fileno())
        memory = ChunkMemory(memory_file, plan.chunk_frames)
        os.close(memory_file)
        layers.limit(memory=plan.memory, processor_seconds=plan.processor_seconds)
        with socket.socket(fileno=gateway_file) as gateway:
            _filter(template, plan.sandbox)
            work(gateway, memory)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _filter(template: socket.socket, sandbox: Sandbox) -> None:
    """Filter this process's system calls, and leave the judgement to the template."""
    found, listener = layers.filter_calls() if sandbox != "off" else (sandbox, None)
    with template:
        listeners = [] if listener is None else [listener]
        socket.send_fds(template, [found.encode()], listeners)
    seccomp.close(listener)
    if sandbox == "required" and found != layers.ON:
        raise OSError(found)


def _close_all_but(*kept: int) -> None:
    first = sys.stderr.fileno() + 1
    for file in sorted(kept):
        os.closerange(first, file)
        first = file + 1
    os.closerange(first, _MOST_DESCRIPTORS)


def warm_up() -> None:
    """Do all that is done at first use: a child pays for none of it, and may open no module."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in _NOT_FOR_READING:
            import_module(module.name)  # some are for subtitles only
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 32
        sound = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        silence.sample_rate = 8000
        for _ in range(5):
            container.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(sound.encode(silence))
        container.mux(video.encode())
        container.mux(sound.encode())
    read_clip(file.getvalue())
    for curve in CURVES:
        to_usual_range(np.zeros((1, 1, 3), np.uint16), curve)
    system_calls.numbers()


if __name__ == "__main__":
    main()
