"""Circuit breaker: requests fail at once while a model is known to be down.

Each model has its own circuit. It opens after several failures in a row, or when the probe gets
no answer. Only the probe closes it; client requests never do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from structlog.typing import FilteringBoundLogger

from service.telemetry.metrics import Metrics
from ssuformer.errors import EngineMismatch, EngineUnavailable, SsuError


class CircuitBreaker:
    """State of one model; the circuit is open until the model has answered for the first time."""

    def __init__(
        self,
        model: str,
        version: str,
        *,
        failures: int,
        metrics: Metrics,
        log: FilteringBoundLogger,
    ) -> None:
        self.model = model
        self._version = version
        self.last_success = -math.inf
        """Time of the model's last answer, on the monotonic clock."""
        self.trouble: SsuError | None = EngineUnavailable(f"{model} has not answered yet")
        """Why the circuit is open; None while it is closed."""
        self._allowed = failures
        self._in_a_row = 0
        self._metrics = metrics
        self._log = log

    def admit(self) -> None:
        """Raise EngineUnavailable or EngineMismatch while the circuit is open."""
        if self.trouble is None:
            return
        other_weights = isinstance(self.trouble, EngineMismatch)
        raise (EngineMismatch if other_weights else EngineUnavailable)(self.trouble.message)

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Run one inference if the circuit is closed, and record its result."""
        self.admit()
        try:
            yield
        except SsuError as error:
            self._metrics.engine_failures.labels(self.model, error.code, self._version).inc()
            if isinstance(error, EngineUnavailable):
                self._failed(error)
            raise
        self.succeeded()

    def succeeded(self) -> None:
        """Note an answer."""
        self._in_a_row = 0
        self.last_success = time.monotonic()
        self._metrics.engine_last_success.labels(self.model).set_to_current_time()

    def _failed(self, error: EngineUnavailable) -> None:
        self._in_a_row += 1
        if self._in_a_row >= self._allowed:
            self.open(error)

    def open(self, error: SsuError) -> None:
        """Reject all requests from now on."""
        if self.trouble is None or self.trouble.code != error.code:
            self._log.warning(
                "engine_down",
                engine=self.model,
                code=error.code,
                reason=error.message,
                detail=str(error.__cause__ or ""),
            )
        self.trouble = error

    def close(self) -> None:
        """Accept all requests from now on."""
        if self.trouble is not None:
            self._log.info("engine_up", engine=self.model)
        self.trouble = None
        self._in_a_row = 0
