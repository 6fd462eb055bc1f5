"""What strangers can make the server keep is bounded in bytes."""

from pathlib import Path

import msgspec
import pytest

from ingestion.webhooks.answers import Answer
from ingestion.webhooks.door import Door, Lane, Stored
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.limits import Arriving, Limits
from ingestion.webhooks.sources import SourceConfig
from ingestion.webhooks.worker import Worker

KIB = 1024


class Kept:
    """Stands where the journal is and stores at once."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    def submit(self, delivery: Delivery, stored: Stored) -> None:
        self.deliveries.append(delivery)
        stored(True)


@pytest.mark.parametrize("source", ["acme", "hubspot", "shopify", "stripe"])
def test_of_a_wrongly_signed_request_its_head_is_kept_and_how_long_it_was(
    sources: dict[str, SourceConfig], tmp_path: Path, source: str
) -> None:
    worker = Worker(sources, tmp_path, base_url="https://x", limits=Limits())
    kept, answers = Kept(), list[Answer]()
    door = Door(sources.values(), "https://x", worker.limits, worker.counters, kept, lambda: True)
    body = b'{"id":' + b"1" * 2_000 * KIB
    names = [name.encode() for name in (*sources[source].kept_headers, "x-hubspot-signature-v3", "stripe-signature")]
    pairs = [(name, b"y" * 120 * KIB) for name in names]
    request = door.request(b"POST", b"/webhooks/" + source.encode(), pairs)

    lane = door.enter(request)
    assert isinstance(lane, Lane)
    door.take(lane, request, body, answers.append)

    (sample,) = kept.deliveries
    assert [answer.status for answer in answers] == [401]
    assert sample.reason == "signature"
    assert body.startswith(sample.body)
    assert len(sample.body) == 16 * KIB
    assert len(sample.headers) < 16 * KIB
    assert msgspec.json.decode(sample.headers)["x-frazil-body-bytes"] == str(len(body))


class Body:
    """One that is in arrival."""

    is_crowded_out = False

    def crowd_out(self) -> None:
        self.is_crowded_out = True


def test_for_more_than_fits_the_oldest_bodies_in_arrival_have_to_go() -> None:
    arriving = Arriving(100)
    slow, large, fast = Body(), Body(), Body()

    arriving.hold(slow, 10)
    arriving.hold(large, 60)
    arriving.hold(slow, 20)
    assert arriving.bytes == 80
    arriving.hold(fast, 50)
    assert (slow.is_crowded_out, large.is_crowded_out, fast.is_crowded_out) == (True, True, False)
    assert arriving.bytes == 50
    arriving.release(fast)
    arriving.release(fast)

    assert arriving.bytes == 0


def test_a_body_that_is_too_large_for_the_room_goes_itself() -> None:
    arriving, body = Arriving(100), Body()

    arriving.hold(body, 101)

    assert body.is_crowded_out
    assert arriving.bytes == 0


def test_the_room_for_bodies_in_arrival_takes_one_body_at_least() -> None:
    from ingestion.settings import Settings

    limits = Limits.of(Settings(webhook_arriving_bytes=2_000, webhook_body_bytes=9_000))

    assert limits.arriving_bytes == 9_000
