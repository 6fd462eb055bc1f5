"""The seeds that commands write: weights and tiers, replaced whole by rename, and decisions, appended line by line."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ingestion.entities.training import COMPARISONS, HIGHEST, Weights

WEIGHTS = "er_weights.csv"
TIERS = "er_tiers.csv"
OVERRIDES = "er_steward_overrides.csv"


def read_weights(folder: Path) -> Weights:
    """The weights that stand, in bits."""
    with (folder / WEIGHTS).open(encoding="utf-8", newline="") as lines:
        return {(row["comparison"], int(row["level"])): float(row["weight_bits"]) for row in csv.DictReader(lines)}


def write_weights(folder: Path, weights: Weights) -> None:
    """Replace the weights; rounded to hundredths, in the order of the comparisons."""
    rows = [("prior", 0, f"{weights['prior', 0]:.2f}")]
    for name in COMPARISONS:
        rows += [(name, level, f"{weights[name, level]:.2f}") for level in range(HIGHEST[name] + 1)]
    _replace(folder / WEIGHTS, [("comparison", "level", "weight_bits"), *rows])


def move_tiers(folder: Path, least_bits: float) -> None:
    """Let the lowest tier begin at `least_bits`; the others keep their distance from it, and all keep their sizes."""
    with (folder / TIERS).open(encoding="utf-8", newline="") as lines:
        tiers = [(int(row["tier"]), float(row["least_bits"]), row["most_records"]) for row in csv.DictReader(lines)]
    by = least_bits - min(bits for _, bits, _ in tiers)
    rows = [(tier, f"{bits + by:.2f}", most) for tier, bits, most in tiers]
    _replace(folder / TIERS, [("tier", "least_bits", "most_records"), *rows])


def add_override(folder: Path, records: tuple[str, str], decision: str, author: str, reason: str) -> None:
    """Append one decision, stamped now (UTC); the later of two about the same pair counts."""
    line = io.StringIO()
    moment = datetime.now(UTC).isoformat(timespec="microseconds")
    csv.writer(line, lineterminator="\n").writerow([*sorted(records), decision, author, reason, moment])
    with (folder / OVERRIDES).open("a", encoding="utf-8", newline="") as end:
        end.write(line.getvalue())
        end.flush()
        os.fsync(end.fileno())


def _replace(path: Path, rows: Iterable[Sequence[object]]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines, lineterminator="\n").writerows(rows)
        lines.flush()
        os.fsync(lines.fileno())
    partial.replace(path)
