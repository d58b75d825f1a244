"""Landlock: no file can be opened, no connection made, no process outside signalled."""

from __future__ import annotations

import os
import struct

from service.understanding.sandbox import kernel

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_ASK_VERSION = 1
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Number of rights to files by the version of Landlock; 16 since version 5."""
_TCP_SINCE, _SCOPES_SINCE = 4, 6


def version() -> int:
    """Return the kernel's version of Landlock; raise OSError if it has none or forbids it."""
    return kernel.call("syscall", _CREATE_RULESET, None, 0, _ASK_VERSION)


def restrict() -> None:
    """Deny this process and its children everything that this kernel's Landlock can deny.

    Needs `no_new_privs`. Open files stay open. It covers neither UDP nor a file's size.
    """
    known = version()
    files = 2 ** _FILE_RIGHTS.get(known, 16) - 1
    rules = struct.pack("QQQ", files, 0b11, 0b11)
    size = 24 if known >= _SCOPES_SINCE else 16 if known >= _TCP_SINCE else 8
    ruleset = kernel.call("syscall", _CREATE_RULESET, rules[:size], size, 0)
    try:
        kernel.call("syscall", _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
