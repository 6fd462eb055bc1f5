"""Identifiers and random streams that depend on nothing but the seed and what they are for."""

import hashlib
from random import Random

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def seeded(*words: int | str) -> Random:
    """A random stream of its own for each use, so that adding one use moves no other."""
    return Random(digest(*words))  # noqa: S311 - invented data, nothing secret


def digest(*words: int | str) -> int:
    """192 bits that depend on the words alone."""
    return int.from_bytes(hashlib.blake2b("\x1f".join(map(str, words)).encode(), digest_size=24).digest(), "big")


def token(prefix: str, length: int, *words: int | str) -> str:
    """`prefix` and `length` letters and digits, as Stripe writes its ids."""
    value = digest(prefix, *words)
    letters = []
    for _ in range(length):
        value, place = divmod(value, 62)
        letters.append(_BASE62[place])
    return prefix + "".join(letters)


def uuid(*words: int | str) -> str:
    """A UUID in its usual notation."""
    value = f"{digest('uuid', *words):048x}"[:32]
    return f"{value[:8]}-{value[8:12]}-4{value[13:16]}-8{value[17:20]}-{value[20:]}"


_SHOPIFY_BASES = {
    "order": 820_000_000_000_000_000,
    "customer": 207_000_000_000_000_000,
    "line": 866_000_000_000_000_000,
    "refund": 509_000_000_000_000_000,
    "transaction": 389_000_000_000_000_000,
    "address": 715_000_000_000_000_000,
    "fulfillment": 255_000_000_000_000_000,
}


def shopify_id(kind: str, seed: int, number: int, part: int = 0) -> int:
    """An id far beyond 2^53 and below 2^63: a reader that goes through a double returns another one."""
    return _SHOPIFY_BASES[kind] + (seed % 1000) * 10**14 + number * 1_000 + part
