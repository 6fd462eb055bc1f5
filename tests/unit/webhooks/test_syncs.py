"""Syncs that nobody waits for: told once, later, and what went wrong with them."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import caio
import pytest

from ingestion.errors import RetryableError
from ingestion.webhooks.syncs import KINDS, Kind, Syncs

HERE = [kind for kind in KINDS if kind.module is not None]


def refused(max_requests: int) -> None:
    raise SystemError(1, "Operation not permitted")


# What a sandbox that forbids io_setup makes of a kind.
FORBIDDEN = Kind(ModuleType("forbidden"), {"max_requests": 1})
FORBIDDEN.module.Context = refused  # type: ignore[union-attr]
MISSING = Kind(None, {})


async def told(syncs: Syncs, descriptor: int) -> OSError | None:
    future: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    syncs.start(descriptor, future.set_result)  # a second call would raise InvalidStateError
    assert not future.done(), "told before the loop has gone on"
    async with asyncio.timeout(30):
        failure = await future
    await asyncio.sleep(0.01)
    return failure


@pytest.mark.parametrize("kind", HERE, ids=lambda kind: kind.module.__name__)
def test_each_sync_is_told_once_and_a_failure_with_its_reason(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> list[OSError | None]:
        syncs = Syncs((kind,))
        stored = []
        with (tmp_path / "file").open("wb", buffering=0) as file:
            for _ in range(20):
                file.write(b"x" * 10_000)
                stored.append(await told(syncs, file.fileno()))
        ends = os.pipe()  # there is no disk behind it
        stored.append(await told(syncs, ends[1]))
        for end in ends:
            os.close(end)
        syncs.close()
        return stored

    *stored, failed = asyncio.run(scenario())

    assert stored == [None] * 20
    assert isinstance(failed, OSError)
    assert "nvalid" in str(failed)


def test_the_kernel_does_it_where_it_can_and_else_the_next_kind(tmp_path: Path) -> None:
    async def scenario(kinds: Sequence[Kind]) -> OSError | None:
        syncs = Syncs(kinds)
        with (tmp_path / "file").open("wb") as file:
            failure = await told(syncs, file.fileno())
        syncs.close()
        return failure

    assert KINDS[0].module is caio.linux_aio
    assert asyncio.run(scenario(KINDS)) is None
    assert asyncio.run(scenario((MISSING, FORBIDDEN, KINDS[1]))) is None


def test_where_none_works_it_says_so() -> None:
    async def scenario() -> None:
        Syncs((MISSING, FORBIDDEN))

    with pytest.raises(RetryableError, match="no way to sync"):
        asyncio.run(scenario())
