"""One result per file: benchmarks/results/<name>.json, and a line for people."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
FAILED: list[str] = []  # results of this process that do not hold


def report(name: str, value: float, unit: str, bar: str, holds: bool, inputs: Mapping[str, Any]) -> bool:
    """Write and print one result; `bar` is the bound in words, `inputs` what the value was computed from."""
    result = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "bar": bar,
        "holds": holds,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": dict(inputs),
    }
    if not holds:
        FAILED.append(name)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{'holds' if holds else 'FAILS'}  {name:32s} {value:10.3f} {unit:12s} bar {bar}")
    return holds
