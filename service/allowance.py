"""What each key may still send: clips a minute, and seconds of work a day."""

from __future__ import annotations

import time
from collections import defaultdict

from service.http.api_keys import Key
from service.settings import Settings
from service.telemetry.metrics import Metrics
from ssuformer.errors import RateExceeded

_DAY = 86_400.0


class Allowances:
    """The allowance of every key, in this process; days begin at midnight UTC."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._next_clip: defaultdict[str, float] = defaultdict(float)
        """When a key that had always kept its rate would send its next clip."""
        self._used: defaultdict[str, float] = defaultdict(float)
        self._day = 0

    def take(self, key: Key) -> None:
        """Count a clip; raise RateExceeded if the key may not send one now."""
        now = time.time()
        if int(now / _DAY) != self._day:
            self._day = int(now / _DAY)
            self._used.clear()
        quota = key.seconds_per_day or self._settings.key_seconds_per_day
        if quota is not None and self._used[key.name] >= quota:
            message = f"the key has used its {quota:g} seconds of work of today"
            raise self._exceeded("quota", message, quota, wait=(self._day + 1) * _DAY - now)
        rate = key.clips_per_minute or self._settings.key_clips_per_minute
        if rate is not None:
            due = max(self._next_clip[key.name], now - max(0.0, 60 - 60 / rate))
            if due > now:
                message = f"the key may send {rate:g} clips a minute"
                raise self._exceeded("rate", message, rate, wait=due - now)
            self._next_clip[key.name] = due + 60 / rate

    def use(self, name: str, seconds: float) -> None:
        """Count the work that was done for a key; the name is empty without one."""
        self._used[name] += seconds
        self._metrics.key_seconds.labels(name).inc(seconds)

    def _exceeded(self, reason: str, message: str, limit: float, *, wait: float) -> RateExceeded:
        self._metrics.admission_rejected.labels(reason).inc()
        error = RateExceeded(message, limit=limit)
        error.retry_after = wait
        return error
