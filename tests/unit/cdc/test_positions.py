"""Positions order changes as the source does, however transactions overlap and wherever a copy's snapshot falls."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.bulk.marks import View
from ingestion.cdc.envelope import Source
from ingestion.cdc.positions import NO_CHANGE, BinlogRanking, OracleRanking, PostgresRanking, Snapshot


@dataclass
class Transaction:
    """Of a made-up log: the places of its rows, and of its commit."""

    xid: int
    keys: list[int]
    places: list[int]
    commit: int = 0


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Transaction], int, frozenset[int]]:
    """Transactions in the order of their commits, a snapshot's place, and which of them it does not see."""
    first = draw(st.integers(1, 2**40))
    count = draw(st.integers(1, 8))
    steps = draw(st.permutations([xid for xid in range(count) for _ in range(draw(st.integers(2, 4)))]))
    left = {xid: steps.count(xid) for xid in range(count)}
    found = [Transaction(xid, [], []) for xid in range(count)]
    done: list[Transaction] = []
    place = first
    for xid in steps:
        place += draw(st.integers(1, 50)) * 8
        left[xid] -= 1
        if left[xid]:
            found[xid].keys.append(draw(st.integers(0, 3)))
            found[xid].places.append(place)
        else:
            found[xid].commit = place
            done.append(found[xid])
    snapshot = draw(st.integers(first, place + 100))
    committed = [one for one in done if one.commit <= snapshot]
    late = draw(st.integers(0, len(committed)))  # their commits are in the log, but not in the snapshot yet
    unseen = {one.xid for one in done if one.commit > snapshot} | {
        one.xid for one in committed[len(committed) - late :]
    }
    return done, snapshot, frozenset(unseen)


def _view(place: int, snapshot: str) -> View:
    return View(f"{place >> 32:08X}/{place & 0xFFFFFFFF:08X}", snapshot, "", datetime(2026, 1, 1, tzinfo=UTC))


@given(logs(), st.integers(0, 3))
def test_a_copy_and_the_changes_it_did_not_see_end_in_the_source_s_state(
    log: tuple[list[Transaction], int, frozenset[int]], epoch: int
) -> None:
    transactions, place, unseen = log
    base = epoch << 32
    running = ",".join(str(base + xid + 1000) for xid in sorted(unseen))
    view = _view(place, f"{base + 1000}:{base + 1000 + 8}:{running}")
    ranking = PostgresRanking([view], [view])

    source: dict[int, tuple[int, int]] = {}
    copy: dict[int, tuple[int, int]] = {}
    folded: dict[int, tuple[str, tuple[int, int]]] = {}
    rows = []
    before, last = 0, NO_CHANGE
    for one in transactions:
        for key, lsn in zip(one.keys, one.places, strict=True):
            source[key] = (one.xid, lsn)
            if one.xid not in unseen:
                copy[key] = (one.xid, lsn)
            sequence = f'["{before}","{lsn}"]' if before else f'[null,"{lsn}"]'
            event = Source(table="t", lsn=lsn, txId=(one.xid + 1000) % 2**32, sequence=sequence)
            placed, last = ranking.place(event, last)
            assert placed.is_seen == (one.xid not in unseen) or not placed.is_seen
            if not placed.is_seen:
                rows.append((placed.position, key, (one.xid, lsn)))
        before = one.commit
    for key, value in copy.items():
        folded[key] = (f"{view.position}.0000000000@2026", value)
    for position, key, value in rows:
        if key not in folded or position > folded[key][0]:
            folded[key] = (position, value)

    assert {key: value for key, (_, value) in folded.items()} == source
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert len({row[0] for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("xid", "is_seen"),
    [(4294967290, True), (4294967295, False), (3, False), (5, True), (9, False), (10, False)],
)
def test_a_transaction_s_number_is_read_across_the_wrap(xid: int, is_seen: bool) -> None:
    wrapped = 1 << 32
    snapshot = Snapshot.parse(f"{wrapped - 3}:{wrapped + 9}:{wrapped - 1},{wrapped + 3}")

    assert snapshot.sees(xid) is is_seen


def test_rows_of_one_log_record_are_told_apart() -> None:
    ranking = PostgresRanking([], [])
    event = Source(table="t", lsn=800, txId=7, sequence='["500","800"]')

    first, last = ranking.place(event, NO_CHANGE)
    second, _ = ranking.place(event, last)

    assert first.position < second.position
    assert first.identity != second.identity


def test_a_binlog_s_changes_rank_above_a_copy_at_their_place_and_are_seen_below_it() -> None:
    copy = View("0000000012:00000000000000000345", "0-1-7", "", datetime(2026, 1, 1, tzinfo=UTC))
    ranking = BinlogRanking([copy], [copy])

    before, last = ranking.place(Source(table="t", file="bin.000012", pos=344, row=0), NO_CHANGE)
    at, last = ranking.place(Source(table="t", file="bin.000012", pos=345, row=0), last)
    second, _ = ranking.place(Source(table="t", file="bin.000012", pos=345, row=1), last)

    assert before.is_seen
    assert not at.is_seen
    assert f"{copy.position}.0000000000@2026" < at.position < second.position


def test_oracle_s_changes_are_seen_by_their_commit_and_not_by_their_own_number() -> None:
    view = View(f"{500:020d}", "500", "480", datetime(2026, 1, 1, tzinfo=UTC))
    ranking = OracleRanking([view], [view])

    def event(scn: int, commit: int) -> Source:
        return Source(table="t", scn=str(scn), commit_scn=str(commit), txId="6.28.807")

    before, last = ranking.place(event(480, 500), NO_CHANGE)
    first, last = ranking.place(event(490, 501), last)
    second, last = ranking.place(event(490, 501), last)
    third, _ = ranking.place(event(495, 501), last)

    assert [one.is_seen for one in (before, first, second, third)] == [True, False, False, False]
    assert view.position < first.position < second.position < third.position
    assert len({one.identity for one in (first, second, third)}) == 3


def test_an_event_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no lsn"):
        PostgresRanking([], []).place(Source(table="t"), NO_CHANGE)
    with pytest.raises(ValueError, match="no file"):
        BinlogRanking([], []).place(Source(table="t"), NO_CHANGE)
