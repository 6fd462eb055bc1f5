"""A million customers: accuracy as with 95,000, the time of a full build, and what 1 % new records cost and change."""

import os
from typing import NamedTuple

import pyarrow as pa

from benchmarks.report import report
from benchmarks.support.entities import EntityLake, entity_lake, truth_of
from tests.support.people.evaluation import Scores, agreement, scores, unchanged_ids
from tests.support.people.generator import people
from tests.support.people.mixes import EASY, HARD, Mix

RECORDS = int(os.environ.get("FRAZIL_BENCH_MANY_RECORDS", "1000000"))
FEWER = int(os.environ.get("FRAZIL_BENCH_RECORDS", "95000"))
SHARE = 0.01
_MINUTES = 15


class Full(NamedTuple):
    seconds: float
    written: dict[str, int]
    entities: dict[str, str]


def main() -> None:
    _warm()
    everything = people(HARD, RECORDS + int(RECORDS * SHARE), 1)
    base, new = everything.slice(0, RECORDS), everything.slice(RECORDS)
    fewer = _of_fewer(HARD)
    with entity_lake() as lake:
        full = _full(lake, base)
        _report_accuracy(HARD, base, full, fewer)
        changed = _change(lake, full, new)
        after = lake.entities()
        _ids(lake, full.entities, after)
        _wall(full, changed, _nothing_new(lake))
    with entity_lake() as lake:
        rebuilt = _full(lake, everything).entities
    same = agreement(after, rebuilt)
    report("entities_like_rebuild", same, "of pairs", ">= 0.999", same >= 0.999, {"records": everything.num_rows})
    _accuracy(EASY)


def _warm() -> None:
    """Spark's start and first compilations, of either kind of build, are no part of a build's time."""
    records = people(EASY, 600, 9)
    with entity_lake() as lake:
        for part in (records.slice(0, 500), records.slice(500)):
            lake.stage(part)
            lake.build()


def _full(lake: EntityLake, records: pa.Table) -> Full:
    lake.stage(records)
    before = lake.rows_written()
    seconds = lake.build()
    return Full(seconds, _difference(before, lake.rows_written()), lake.entities())


def _accuracy(mix: Mix) -> None:
    records, fewer = people(mix, RECORDS, 1), _of_fewer(mix)
    with entity_lake() as lake:
        _report_accuracy(mix, records, _full(lake, records), fewer)


def _of_fewer(mix: Mix) -> Scores:
    """In a lake of its own, which Spark turns to for good: before the lake of many is made."""
    records = people(mix, FEWER, 1)
    with entity_lake() as lake:
        return scores(_full(lake, records).entities, truth_of(records))


def _report_accuracy(mix: Mix, records: pa.Table, full: Full, fewer: Scores) -> None:
    many = scores(full.entities, truth_of(records))
    inputs = {"records": RECORDS, "many": many._asdict(), "fewer_records": FEWER, "fewer": fewer._asdict()}
    _compared(mix, many, fewer, inputs)
    minutes = full.seconds / 60
    inputs["rows_written"] = full.written
    report(f"entities_many_{mix.name}_minutes", minutes, "minutes", f"<= {_MINUTES}", minutes <= _MINUTES, inputs)


def _compared(mix: Mix, many: Scores, fewer: Scores, inputs: dict[str, object]) -> None:
    lost, less = abs(fewer.f1 - many.f1), fewer.precision - many.precision
    report(f"entities_many_{mix.name}_f1", lost, "F1 from 95k", "<= 0.015", lost <= 0.015, inputs)
    report(f"entities_many_{mix.name}_precision", less, "below 95k", "<= 0.01", less <= 0.01, inputs)


def _change(lake: EntityLake, full: Full, new: pa.Table) -> float:
    """The seconds of the build after it."""
    lake.stage(new)
    before = lake.rows_written()
    seconds = lake.build()
    written = _difference(before, lake.rows_written())
    inputs = {
        "records": RECORDS,
        "new_records": new.num_rows,
        "rows_written_full": full.written,
        "rows_written_changed": written,
    }
    for table, name in (("er_candidate_edges", "scored_pairs"), ("entity_index", "index_rows")):
        share = written[f"semantic.{table}"] / full.written[f"semantic.{table}"]
        report(f"entities_change_{name}", share, "of full", "<= 0.03", share <= 0.03, inputs)
    return seconds


def _wall(full: Full, changed: float, nothing: float) -> None:
    """Of the whole build, and without the time of one that finds nothing new, which both contain whatever changed."""
    inputs = {
        "records": RECORDS,
        "full_seconds": round(full.seconds, 1),
        "changed_seconds": round(changed, 1),
        "nothing_new_seconds": round(nothing, 1),
    }
    whole, net = changed / full.seconds, (changed - nothing) / (full.seconds - nothing)
    report("entities_change_wall", whole, "of full", "<= 0.12", whole <= 0.12, inputs)
    report("entities_change_wall_net", net, "of full", "<= 0.12 less the time of an empty merge", net <= 0.12, inputs)


def _ids(lake: EntityLake, before: dict[str, str], after: dict[str, str]) -> None:
    unchanged = unchanged_ids(before, after)
    moved, living = lake.moved_to(), set(after.values())
    gone = set(before.values()) - living
    lost = [one for one in gone if not _resolves(one, moved, living)]
    inputs = {"ids": len(set(before.values())), "gone": len(gone), "gone_without_successor": len(lost)}
    report("entities_unchanged_ids", unchanged, "of ids", ">= 0.995", unchanged >= 0.995, inputs)
    report("entities_lost_ids", len(lost), "ids", "0", not lost, inputs)


def _resolves(entity: str, moved: dict[str, str], living: set[str]) -> bool:
    for _ in range(len(moved)):
        if entity in living:
            return True
        if entity not in moved:
            return False
        entity = moved[entity]
    return False


def _nothing_new(lake: EntityLake) -> float:
    """The seconds of a build that must not write anything."""
    before = lake.lake.snapshot_ids()
    seconds = lake.build()
    after = lake.lake.snapshot_ids()
    new = [name for name, ids in after.items() if ids != before.get(name)]
    report("entities_nothing_new", len(new), "snapshots", "0", not new, {"tables": new, "seconds": round(seconds, 1)})
    return seconds


def _difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: rows - before.get(name, 0) for name, rows in after.items() if rows > before.get(name, 0)}


if __name__ == "__main__":
    main()
