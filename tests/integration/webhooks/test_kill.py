"""kill -9 at random moments under load: what was acknowledged is in the journal, and everything is there once."""

import asyncio
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from ingestion.webhooks.client import Connection, Target
from ingestion.webhooks.journal import Delivery, Journal
from tests.support.webhook_server import Server, accounting_problems, running_server

SENDERS = 16
TOPIC = {"x-shopify-topic": "orders/updated", "x-shopify-shop-domain": "a.myshopify.com"}


class Senders:
    """Vendors that repeat a delivery until it is acknowledged, and now and then after that too."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._number = 0
        self._open: list[str] = []
        self.outcomes: dict[str, list[str]] = {}

    async def run(self, server: Server) -> None:
        """Until the server is gone."""
        await asyncio.gather(*(self._send(server) for _ in range(SENDERS)))

    async def finish(self, server: Server) -> None:
        """Repeat what was never acknowledged."""
        connection = Connection(Target.parse(server.url))
        while self._open:
            await self._post(server, connection, self._open.pop())
        connection.close()

    async def _send(self, server: Server) -> None:
        connection = Connection(Target.parse(server.url))
        while True:
            webhook_id = self._choose()
            try:
                await self._post(server, connection, webhook_id)
            except OSError:
                self._open.append(webhook_id)
                connection.close()
                return

    def _choose(self) -> str:
        if self._open:
            return self._open.pop()
        if self.outcomes and self._random.random() < 0.1:
            return self._random.choice(list(self.outcomes)[-50:])
        self._number += 1
        return f"w-{self._number}"

    async def _post(self, server: Server, connection: Connection, webhook_id: str) -> None:
        body = b'{"id":%d,"updated_at":"2026-01-01T00:00:00Z","filler":"%s"}' % (hash(webhook_id) % 10**9, b"x" * 3_000)
        headers = server.signed("shopify", body, {**TOPIC, "x-shopify-webhook-id": webhook_id})
        answer = await connection.request("POST", "/webhooks/shopify", headers, body)
        assert answer.status == 200, answer
        self.outcomes.setdefault(webhook_id, []).append(answer.headers["x-frazil-outcome"])


class Drain:
    """A sink that reads and deletes all the while."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.deliveries: list[Delivery] = []
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with Journal.open(self._path) as journal:
            last = 0
            while True:
                stopping = self._stop.is_set()
                entries = journal.read(last, 100, 1 << 20)
                for entry in entries:
                    assert entry.seq > last
                    last = entry.seq
                    self.deliveries.append(entry.delivery)
                if entries:
                    journal.delete_through(last)
                elif stopping:
                    return
                else:
                    time.sleep(0.005)


def kill_again_and_again(home: Path, rounds: int, seed: int) -> None:
    senders = Senders(seed)
    moments = random.Random(seed)
    drain = Drain(home / "journal" / "worker-0.db")
    try:
        for _ in range(rounds):
            with running_server(home) as server:
                timer = threading.Timer(moments.uniform(0.02, 0.8), server.kill)
                timer.start()
                asyncio.run(senders.run(server))
                timer.join()
        with running_server(home) as server:
            asyncio.run(senders.finish(server))
            counts = server.counts()
    finally:
        drain.stop()

    stored = Counter(delivery.delivery_id for delivery in drain.deliveries)
    assert len(senders.outcomes) > rounds
    assert set(stored.values()) == {1}
    assert len(stored) == len(senders.outcomes)
    for webhook_id, outcomes in senders.outcomes.items():
        assert outcomes.count("accepted") <= 1, (webhook_id, outcomes)
    assert not accounting_problems(counts)


def test_nothing_acknowledged_is_lost_and_nothing_is_stored_twice(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, rounds=5, seed=1)


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_nothing_acknowledged_is_lost_over_many_deaths(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, rounds=60, seed=2)
