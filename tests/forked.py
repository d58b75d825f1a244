"""Something done in a process that may end in any way."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

import torch

CRASHED = 70


def exit_code(work: Callable[[], int | None]) -> int:
    """Do something in a forked child; return what it exits with, or minus the signal that ends it.

    The child ends with what `work` returns (nothing is 0), or CRASHED if that raises.
    """
    child = os.fork()
    if not child:
        code: int | None = CRASHED
        try:
            torch.set_num_threads(
                1
            )  # the others of OpenMP stay in the parent; a child waits for them
            code = work()
        except BaseException:
            traceback.print_exc()
        os._exit(code or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
