"""`frazil webhooks send`: the generated business as signed requests."""

from itertools import islice
from typing import TYPE_CHECKING

import click

from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.errors import ContractError, UsageError
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.webhooks.sender import SendReport

SENT = ("shopify", "stripe", "hubspot")
OUTCOMES = ("accepted", "repeated", "quarantined", "refused")


@click.command(
    help="Sign and post requests of a generated business; exit 3 if the server's answers are not as expected."
)
@click.option("--url", default=None, help="The server; default FRAZIL_PUBLIC_BASE_URL.")
@click.option("--seed", default=1, show_default=True, help="The same seed sends the same requests.")
@click.option("--requests", "count", default=10_000, show_default=True, type=click.IntRange(min=1), help="How many.")
@click.option(
    "--rate",
    default=None,
    type=click.FloatRange(min=0, min_open=True),
    help="Requests per second; default as fast as it goes.",
)
@click.option("--connections", default=16, show_default=True, type=click.IntRange(1, 1024), help="At the same time.")
@click.option("--sources", default=",".join(SENT), show_default=True, help="Comma-separated.")
@json_option
def send(
    url: str | None, seed: int, count: int, rate: float | None, connections: int, sources: str, as_json: bool
) -> None:
    from ingestion.progress import progress
    from ingestion.webhooks.generator import business
    from ingestion.webhooks.sender import Sender
    from ingestion.webhooks.sources import load_sources

    settings = Settings()
    chosen = {name.strip() for name in sources.split(",") if name.strip()}
    if not chosen or chosen - set(SENT):
        raise UsageError(f"--sources {sources}: write some of {','.join(SENT)}")
    requests = islice((request for request in business(seed) if request.source in chosen), count)
    with progress("sending", count) as bar:
        sender = Sender(
            url or settings.public_base_url,
            load_sources(settings.config_dir),
            settings.public_base_url,
            connections=connections,
            rate=rate,
            on_answer=lambda report: bar.at(report.answered),
        )
        report = sender.send(requests)
    if as_json:
        print_json(summary(report))
    else:
        print_rows(comparison(report), title="requests")
        click.echo(
            f"{report.answered:,} requests in {report.seconds:.1f} s, {report.answered / report.seconds:,.0f}/s, "
            f"p50 {report.percentile(0.5) * 1000:.1f} ms, p99 {report.percentile(0.99) * 1000:.1f} ms, "
            f"{report.retries} sent again"
        )
    if not report.agrees:
        again = sum(count for (_, outcome), count in report.actual.items() if outcome == "repeated")
        hint = (
            f"seed {seed} was sent to it before: give another --seed"
            if again > report.answered / 2
            else "see the table"
        )
        raise ContractError(f"the server's answers are not as expected; {hint}")


def comparison(report: "SendReport") -> list[dict[str, object]]:
    """One row per source and outcome that was expected or occurred."""
    found = sorted({*report.expected, *report.actual})
    return [
        {
            "source": source,
            "outcome": outcome,
            "expected": report.expected[source, outcome],
            "actual": report.actual[source, outcome],
        }
        for source, outcome in found
    ]


def summary(report: "SendReport") -> dict[str, object]:
    """The report as one JSON document."""
    return {
        "requests": report.answered,
        "seconds": round(report.seconds, 3),
        "requests_per_second": round(report.answered / report.seconds, 1),
        "p50_ms": round(report.percentile(0.5) * 1000, 2),
        "p99_ms": round(report.percentile(0.99) * 1000, 2),
        "sent_again": report.retries,
        "agrees": report.agrees,
        "outcomes": comparison(report),
    }
