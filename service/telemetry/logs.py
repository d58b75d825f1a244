"""JSON logs, one line per event, without file names or request bodies."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import FilteringBoundLogger


def make_log(level: str, stream: TextIO | None = None) -> FilteringBoundLogger:
    """Return a new logger that writes JSON to the stream, standard output by default.

    Lines that are written during a request have its `request_id` and `trace_id`.
    """
    # It would write a line of text for every body that is not what it says.
    logging.getLogger("python_multipart").disabled = True
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(stream or sys.stdout),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
    )
    return log
