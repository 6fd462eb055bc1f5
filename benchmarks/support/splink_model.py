"""Splink's stock model on normalised records; run by a Python of its own, which has Splink and nothing of this project.

`python splink_model.py RECORDS.parquet`: settings as in Splink's deduplication notebooks (library comparisons, u from
random pairs, m by three EM sessions), then clusters at many thresholds. Prints the best by the truth as JSON.
"""

import json
import logging
import sys
import time
from collections import Counter
from typing import Any

import duckdb
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

_THRESHOLDS = (0.05, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999)
_BLOCKS = (
    ("email",),
    ("phone",),
    ("phone_suffix",),
    ("email_local",),
    ("first_name", "last_name"),
    ("address", "postal_code"),
    ("last_name", "postal_code"),
    ("first_name", "postal_code"),
    ("substr(first_name, 1, 3)", "substr(last_name, 1, 4)", "city"),
)
_SETTINGS = SettingsCreator(
    link_type="dedupe_only",
    blocking_rules_to_generate_predictions=[block_on(*columns) for columns in _BLOCKS],
    comparisons=[
        cl.ForenameSurnameComparison("first_name", "last_name"),
        cl.EmailComparison("email"),
        cl.LevenshteinAtThresholds("phone_suffix", [1]),
        cl.LevenshteinAtThresholds("address", [1, 3]),
        cl.ExactMatch("postal_code"),
        cl.ExactMatch("city").configure(term_frequency_adjustments=True),
    ],
)


def main(path: str) -> None:
    logging.getLogger("splink").setLevel(logging.ERROR)
    started = time.perf_counter()
    connection = duckdb.connect()
    connection.execute("set threads = 2")
    connection.execute(f"create table records as select * from '{path}'")
    linker = Linker(DuckDBAPI(connection).register("records"), _SETTINGS)
    training = linker.training
    certain = [block_on("email"), block_on("phone", "last_name"), block_on("first_name", "last_name", "postal_code")]
    training.estimate_probability_two_random_records_match(certain, recall=0.7)
    training.estimate_u_using_random_sampling(max_pairs=1e7)
    for columns in (("email",), ("first_name", "last_name"), ("phone_suffix",)):
        training.estimate_parameters_using_expectation_maximisation(block_on(*columns))
    pairs = linker.inference.predict(threshold_match_probability=min(_THRESHOLDS))
    seconds = time.perf_counter() - started
    truth = dict(connection.execute("select unique_id, person_id from records").fetchall())
    found = []
    for threshold in _THRESHOLDS:
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
            pairs, threshold_match_probability=threshold
        )
        rows = connection.execute(f"select unique_id, cluster_id from {clusters.physical_name}").fetchall()
        found.append({"threshold": threshold, **_scores(dict(rows), truth)})
    best = max(found, key=lambda one: one["f1"])
    print(json.dumps({**best, "train_and_predict_seconds": round(seconds, 1)}))


def _scores(found: dict[str, str], truth: dict[str, int]) -> dict[str, float]:
    sizes = Counter(found.values())
    both = _pairs(Counter((found[record], person) for record, person in truth.items()))
    joined, true = _pairs(sizes), _pairs(Counter(truth.values()))
    f1 = 2 * both / (joined + true)
    return {"precision": both / joined, "recall": both / true, "f1": f1, "largest": max(sizes.values())}


def _pairs(groups: "Counter[Any]") -> int:
    return sum(size * (size - 1) // 2 for size in groups.values())


if __name__ == "__main__":
    main(sys.argv[1])
