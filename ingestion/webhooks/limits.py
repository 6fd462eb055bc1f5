"""Limits that keep one sender, one stranger or a full disk from taking the server down."""

import os
from math import inf
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from ingestion.settings import Settings


class Limits(NamedTuple):
    """Bounds of one worker. Sizes in bytes; `requests_per_second` 0 means without limit, per source.

    `arriving_bytes` are of all bodies of which a part is missing still, `waiting_bytes` of those on their way to disk.
    """

    body_bytes: int = 2 * 1024 * 1024
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    disk_floor_bytes: int = 256 * 1024 * 1024
    queue_ceiling: int = 1_000_000
    waiting_bytes: int = 64 * 1024 * 1024
    arriving_bytes: int = 64 * 1024 * 1024
    requests_per_second: float = 0.0
    samples_per_minute: int = 10

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that the settings name."""
        return cls(
            body_bytes=settings.webhook_body_bytes,
            arriving_bytes=max(settings.webhook_arriving_bytes, settings.webhook_body_bytes),
            header_seconds=settings.webhook_header_seconds,
            body_seconds=settings.webhook_body_seconds,
            disk_floor_bytes=settings.disk_floor_bytes,
            queue_ceiling=settings.queue_ceiling,
            requests_per_second=settings.webhook_requests_per_second,
            samples_per_minute=settings.webhook_samples_per_minute,
        )


class TokenBucket:
    """`rate` tokens a second, at most `burst` saved up; `now` is any clock in seconds that never goes back."""

    def __init__(self, rate: float, burst: float, now: float = 0.0) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def take(self, now: float) -> float:
        """0 when a token was there, else the seconds until the next one."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate if self._rate else inf


class Holder(Protocol):
    """A body in arrival."""

    def crowd_out(self) -> None:
        """Give up what has arrived, and answer the sender."""


class Arriving:
    """The bytes of bodies in arrival, at most `bound` of all together: for more, the oldest one has to go.

    So a stranger who fills the room with bodies that never end loses his own, and who sends at once is served.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._held: dict[Holder, int] = {}
        self.bytes = 0

    def hold(self, holder: Holder, size: int) -> None:
        """`size` bytes of its body have arrived by now."""
        self.bytes += size - self._held.get(holder, 0)
        self._held[holder] = size
        while self.bytes > self._bound:
            oldest = next(iter(self._held))
            self.release(oldest)
            oldest.crowd_out()

    def release(self, holder: Holder) -> None:
        """Its body is whole or given up; repeating it is harmless."""
        self.bytes -= self._held.pop(holder, 0)


def free_bytes(folder: Path) -> int:
    """Space an unprivileged process may still take where `folder` lies."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
