"""One generated request and what a correct receiver does with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How the door counts a request; every request is exactly one of these."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


class Signing(StrEnum):
    """How the sender signs the body; everything but GOOD must be refused."""

    GOOD = "good"
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - a name, not a secret
    MISSING = "missing"
    TAMPERED = "tampered"
    """Signed, then one byte of the body changed."""
    STALE = "stale"
    """The signature's time is ten minutes old; only for schemes that sign the time."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request before it is signed: signatures hold the time of sending, so the sender adds them.

    `rows` is how many raw rows it brings and `rejects` how many quarantine rows beside what the door itself
    finds wrong: a batch is accepted whole, and its bad elements are found when it is split.
    """

    source: str
    headers: Mapping[str, str]
    body: bytes
    expected: Outcome = Outcome.ACCEPTED
    signing: Signing = Signing.GOOD
    rows: int = 1
    rejects: int = 0
    remark: str = ""
    """What is special about it ('late', 'repeat', 'not_json', ...), empty for a plain one."""
    keys: tuple[str, ...] = field(default=(), compare=False)
    """The ids of the objects in it, for tests."""
