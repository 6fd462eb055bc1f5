"""`frazil er explain|review|override|train`: entity resolution as people see and steer it."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ingestion.cli.output import echo, json_option, print_json, print_rows
from ingestion.errors import UsageError
from ingestion.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

_SEEDS = PROJECT_ROOT / "seeds"
_LEAST_PAIRS = 1000
_LEAST_LABELS = 100


@click.group(help="Which records are one customer: why, what to look at, decisions by people, weights.")
def command() -> None:
    pass


@command.command(help="Tell why two records (source:id) are one customer, or are not.")
@click.argument("record_a", metavar="A")
@click.argument("record_b", metavar="B")
@json_option
def explain(record_a: str, record_b: str, as_json: bool) -> None:
    from ingestion.entities.explain import explain as explanation_of

    with _lake() as catalog:
        found = explanation_of(catalog, record_a, record_b)
    if as_json:
        print_json(
            {"is_one_customer": found.is_one_customer, "entities": [found.entity_a, found.entity_b]}
            | {"links": found.links, "parted_by": found.parted_by, "comparison": found.comparison}
        )
        return
    echo(f"one customer: {found.entity_a}" if found.is_one_customer else f"two customers by {found.parted_by}")
    for link in found.links:
        _print_values(link)
    if len(found.links) != 1 and found.comparison:
        click.echo("compared with each other")
        _print_values(found.comparison)


def _print_values(values: dict[str, object]) -> None:
    for name, value in values.items():
        echo(f"  {name}: {value}")
    echo()


@command.command(
    help="List groups whose weakest links were cut, the largest first, pairs known to be one customer that were cut "
    "apart, and what too many records share."
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Print at most so many groups.")
@json_option
def review(limit: int, as_json: bool) -> None:
    from ingestion.entities.review import review as review_of

    with _lake() as catalog:
        found = review_of(catalog, limit)
    if as_json:
        print_json(asdict(found))
        return
    print_rows(found.groups, title="groups that were cut")
    print_rows(found.true_pairs_cut, title="labelled pairs of one customer that were cut apart")
    print_rows(found.shared_by_too_many, title="values shared by too many, left out of the comparison")


@command.command(help="Decide that two records (source:id) are one customer, are two, or left to the evidence again.")
@click.argument("record_a", metavar="A")
@click.argument("record_b", metavar="B")
@click.argument("decision", type=click.Choice(["must_link", "cannot_link", "none"]))
@click.option("--reason", required=True, help="Why; kept beside the decision.")
@click.option("--author", help="Who decides; the user of this machine if not given.")
def override(record_a: str, record_b: str, decision: str, reason: str, author: str | None) -> None:
    from ingestion.entities.seeds import OVERRIDES, add_override

    if record_a == record_b:
        raise UsageError("a record is one customer with itself: name two records")
    for record in (record_a, record_b):
        if ":" not in record:
            raise UsageError(f"{record!r} is no record: name it source:id, for example shopify:7001")
    if not reason.strip():
        raise UsageError("say why: --reason TEXT")
    add_override(_SEEDS, (record_a, record_b), decision, author or getpass.getuser(), reason.strip())
    click.echo(f"written to seeds/{OVERRIDES}; the next build applies it")


@command.command(help="Compute the weights anew from the pairs in the lake, and with labels where the tiers begin.")
@click.option(
    "--precision",
    type=click.FloatRange(0.5, 1, max_open=True),
    help="Let the tiers begin where labelled pairs (seeds/er_labelled_pairs.csv) are joined so rightly.",
)
@click.option("--write", is_flag=True, help="Write the seeds; otherwise only show the weights.")
@json_option
def train(precision: float | None, write: bool, as_json: bool) -> None:
    from ingestion.entities.seeds import move_tiers, read_weights, write_weights
    from ingestion.entities.training import COMPARISONS, least_bits, score
    from ingestion.entities.training import train as trained
    from ingestion.lake.query import query

    levels = ", ".join(f"{name}_level" for name in COMPARISONS)
    with _lake() as catalog:
        counted = query(
            catalog, f"select {levels}, count(*) as pair_count from semantic.er_candidate_edges group by {levels}"
        ).to_pylist()
        labelled = (
            query(
                catalog,
                f"""
            select {levels}, labels.is_same_customer
            from staging.er_labelled_pairs as labels
            join semantic.er_candidate_edges as edges
                on edges.key_low = least(labels.record_a, labels.record_b)
                and edges.key_high = greatest(labels.record_a, labels.record_b)
            """,
            ).to_pylist()
            if precision
            else []
        )
    patterns = {tuple(row[f"{name}_level"] for name in COMPARISONS): row["pair_count"] for row in counted}
    if sum(patterns.values()) < _LEAST_PAIRS:
        raise UsageError(f"{sum(patterns.values())} pairs are too few to learn from: {_LEAST_PAIRS} are needed")
    if precision and len(labelled) < _LEAST_LABELS:
        raise UsageError(f"{len(labelled)} labelled pairs were compared: {_LEAST_LABELS} are needed for --precision")
    old = read_weights(_SEEDS)
    new = trained(patterns, old).weights
    bits = None
    if precision:
        scored = [
            (score(tuple(row[f"{name}_level"] for name in COMPARISONS), new), row["is_same_customer"])
            for row in labelled
        ]
        bits = least_bits(scored, precision)
        if bits is None:
            raise UsageError(f"no score reaches a precision of {precision}: ask for less, or look at the labels")
    if write:
        write_weights(_SEEDS, new)
        if bits is not None:
            move_tiers(_SEEDS, bits)
    rows = [
        {
            "comparison": name,
            "level": level,
            "old_bits": round(old.get((name, level), 0.0), 2),
            "new_bits": round(one, 2),
        }
        for (name, level), one in sorted(new.items())
    ]
    print_rows(rows, title=f"weights from {sum(patterns.values())} pairs", as_json=as_json)
    if not as_json:
        if bits is not None:
            click.echo(f"the tiers begin at {bits} bits")
        click.echo("written; the next build compares all pairs anew" if write else "not written: --write does")


@contextmanager
def _lake() -> "Iterator[Catalog]":
    from ingestion.lake.catalog import open_catalog

    catalog = open_catalog(Settings())
    try:
        yield catalog
    finally:
        catalog.close()
