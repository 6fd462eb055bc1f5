"""Who is the same person: our models against Splink 5 on the same 95,000 records, three seeds of three mixes.

With FRAZIL_BENCH_KEEP, a folder, each comparison is kept there and not made again: nine need not be made in one run.
"""

import os
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import report
from benchmarks.support.entities import SPLINK, SplinkScores, entity_lake, splink, truth_of
from benchmarks.support.kept import kept
from benchmarks.support.peers import environment
from tests.support.people.evaluation import Scores, scores, true_pairs_cut
from tests.support.people.generator import people
from tests.support.people.mixes import MIXES, Mix

RECORDS = int(os.environ.get("FRAZIL_BENCH_RECORDS", "95000"))
SEEDS = tuple(int(seed) for seed in os.environ.get("FRAZIL_BENCH_SEEDS", "1,2,3").split(","))
CHOSEN = [MIXES[name] for name in os.environ.get("FRAZIL_BENCH_MIXES", ",".join(MIXES)).split(",")]
LARGEST = 15
_BARS = {"easy": (0.95, 0.96), "hard": (0.88, 0.94), "adversarial": (0.84, 0.89)}  # F1, precision


class Result(NamedTuple):
    ours: Scores
    theirs: SplinkScores
    build_seconds: float
    true_pairs_cut: int  # by the guard that keeps entities from growing


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="frazil-splink-") as folder:
        python = environment(Path(folder) / "splink", *SPLINK)
        found = {mix: [_kept(mix, seed, python, Path(folder)) for seed in SEEDS] for mix in CHOSEN}
    for mix, results in found.items():
        _report(mix, results)
    gains = [one.ours.f1 - one.theirs.f1 for results in found.values() for one in results]
    report("entities_least_gain", min(gains), "F1", ">= 0 over Splink", min(gains) >= 0, {"gains": gains})
    mean = statistics.mean(gains)
    report("entities_mean_gain", mean, "F1", ">= 0.02 over Splink", mean >= 0.02, {"gains": gains})
    largest = max(one.ours.largest for results in found.values() for one in results)
    report("entities_largest", largest, "records", f"<= {LARGEST}", largest <= LARGEST, {"records": RECORDS})


def _kept(mix: Mix, seed: int, python: Path, folder: Path) -> Result:
    return kept(f"{mix.name}-{seed}-{RECORDS}", Result, lambda: _compare(mix, seed, python, folder))


def _compare(mix: Mix, seed: int, python: Path, folder: Path) -> Result:
    records = people(mix, RECORDS, seed)
    truth = truth_of(records)
    with entity_lake() as lake:
        lake.stage(records)
        seconds = lake.build()
        entities = lake.entities()
        ours, cut = scores(entities, truth), true_pairs_cut(entities, lake.entities("resolution_group"), truth)
        lake.normalised(folder / "records.parquet", truth)
    theirs = splink(python, folder / "records.parquet")
    print(
        f"{mix.name} {seed}: {ours.line()}  Splink F1 {theirs.f1:.4f}  built in {seconds:.0f} s  cut {cut}", flush=True
    )
    return Result(ours, theirs, seconds, cut)


def _report(mix: Mix, results: list[Result]) -> None:
    f1_bar, precision_bar = _BARS[mix.name]
    inputs = {
        "records": RECORDS,
        "seeds": SEEDS,
        "ours": [one.ours._asdict() for one in results],
        "splink": [{name: getattr(one.theirs, name) for name in one.theirs.__struct_fields__} for one in results],
        "splink_packages": SPLINK,
        "true_pairs_cut": [one.true_pairs_cut for one in results],
        "build_seconds": [round(one.build_seconds, 1) for one in results],
    }
    f1, precision = min(one.ours.f1 for one in results), min(one.ours.precision for one in results)
    report(f"entities_{mix.name}_f1", f1, "F1, worst seed", f">= {f1_bar}", f1 >= f1_bar, inputs)
    name = f"entities_{mix.name}_precision"
    report(name, precision, "worst seed", f">= {precision_bar}", precision >= precision_bar, inputs)


if __name__ == "__main__":
    main()
