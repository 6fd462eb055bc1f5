"""What the generator expects is what a correct receiver does: every request goes through the real readers."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from ingestion.settings import PROJECT_ROOT
from ingestion.webhooks.events import RawRow, Rejected, reader
from ingestion.webhooks.generator import Faults, Outcome, Request, Signing, business
from ingestion.webhooks.journal import Delivery, Journal
from ingestion.webhooks.sources import load_sources

SOURCES = load_sources(PROJECT_ROOT / "config", {})


def delivery(request: Request) -> Delivery:
    source = SOURCES[request.source]
    found = reader(source).inspect(request.headers, request.body)
    kept = {name: request.headers[name] for name in source.kept_headers if name in request.headers}
    return Delivery(request.source, found.delivery_id, 0, msgspec.json.encode(kept), request.body, found.reason)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_request_is_received_as_it_expects(seed: int, tmp_path: Path) -> None:
    faults = Faults(repeated=0.1, late=0.1, forged=0.05, broken=0.1, unknown=0.05)
    seen: Counter[tuple[str, Outcome]] = Counter()

    with Journal.open(tmp_path / "0.db") as journal:
        for request in business(seed, orders=150, faults=faults):
            seen[request.source, request.expected] += 1
            assert (request.signing is Signing.GOOD) == (request.expected is not Outcome.REFUSED)
            if request.expected is Outcome.REFUSED:
                continue
            arrived = delivery(request)
            [seq] = journal.append([arrived])
            if seq is None:
                outcome, results = Outcome.REPEATED, list[RawRow | Rejected]()
            else:
                outcome = Outcome.ACCEPTED if arrived.reason is None else Outcome.QUARANTINED
                results = reader(SOURCES[request.source]).split(arrived)
            rows = sum(isinstance(result, RawRow) for result in results)
            reasons = [result.reason for result in results if isinstance(result, Rejected)]

            assert (outcome, rows, len(reasons)) == (request.expected, request.rows, request.rejects), request
            if reasons:
                assert reasons[0].startswith(request.remark)

    assert len(seen) == 3 * len(Outcome)


def test_a_genuine_event_is_told_once_and_keeps_its_place_when_repeated() -> None:
    ids: dict[bytes, Request] = {}

    for request in business(4, orders=120, faults=Faults(repeated=0.3, late=0.2, forged=0, broken=0, unknown=0)):
        arrived = delivery(request)
        if request.expected is Outcome.REPEATED:
            [*rows] = (result for result in reader(SOURCES[request.source]).split(arrived))
            [*before] = (result for result in reader(SOURCES[request.source]).split(delivery(ids[arrived.delivery_id])))
            names = ("_event_id", "_position")
            assert [identity(row, names) for row in rows] == [identity(row, names) for row in before]
        else:
            assert arrived.delivery_id not in ids
            ids[arrived.delivery_id] = request


def identity(row: RawRow | Rejected, names: tuple[str, ...]) -> list[object]:
    from ingestion.webhooks.events import raw_schema

    assert isinstance(row, RawRow)
    source, _, name = row.table.partition("_")
    places = [raw_schema(SOURCES[source], name).get_field_index(column) for column in names]
    return [row.values[place] for place in places]


def test_late_requests_are_overtaken_by_newer_ones() -> None:
    faults = Faults(repeated=0, late=0.3, forged=0, broken=0, unknown=0)
    in_order = [r.body for r in business(6, orders=100, faults=Faults.none())]
    sent = list(business(6, orders=100, faults=faults))

    assert sorted(r.body for r in sent) == sorted(in_order)
    assert [r.body for r in sent] != in_order
    assert sum(r.remark == "late" for r in sent) > 150
