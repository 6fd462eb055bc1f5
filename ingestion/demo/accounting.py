"""received = accepted + repeated + quarantined + refused, and the lake holds what was accepted: checked per source."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import requests
from prometheus_client.parser import text_string_to_metric_families
from pyiceberg.catalog import Catalog

from ingestion.webhooks.generator import Outcome
from ingestion.webhooks.sender import SendReport

_REQUESTS, _OUTCOMES = "frazil_webhook_requests_total", "frazil_webhook_outcomes_total"


@dataclass(frozen=True)
class Account:
    """One source. Requests as the server counts them; rows as the lake holds them, samples of forgeries not counted."""

    source: str
    sent: int
    received: int
    accepted: int
    repeated: int
    quarantined: int
    refused: int
    raw_rows: int
    quarantine_rows: int
    problems: tuple[str, ...]

    @property
    def balances(self) -> bool:
        """Nothing was lost, made up or told apart wrongly."""
        return not self.problems

    def as_row(self) -> dict[str, object]:
        """For printing."""
        row = asdict(self)
        row.pop("problems")
        return row | {"balances": "yes" if self.balances else "NO"}


def accounts(sent: SendReport, url: str, catalog: Catalog) -> list[Account]:
    """One account per source that was sent, after the sink has brought everything into the lake."""
    received, outcomes = _server_counts(url)
    raw, quarantine = _raw_rows(catalog), _quarantine_rows(catalog)
    return [
        balance(source, sent, received[source], outcomes, raw[source], quarantine[source])
        for source in sorted({source for source, _ in sent.expected})
    ]


def balance(
    source: str,
    sent: SendReport,
    received: int,
    outcomes: Mapping[tuple[str, str], int],
    raw_rows: int,
    quarantine_rows: int,
) -> Account:
    """One source's account; whatever disagrees is named in its `problems`."""
    asked = sum(count for (name, _), count in sent.expected.items() if name == source)
    counted = {outcome: outcomes.get((source, outcome), 0) for outcome in Outcome}
    problems = [
        f"{received} received, but {asked} sent" if received != asked else "",
        f"{received} received, but {sum(counted.values())} answered" if received != sum(counted.values()) else "",
        *(
            f"{counted[outcome]} {outcome}, but {sent.expected[source, outcome]} expected"
            for outcome in Outcome
            if counted[outcome] != sent.expected[source, outcome]
        ),
        f"{raw_rows} rows in raw, but {sent.rows[source]} accepted" if raw_rows != sent.rows[source] else "",
        f"{quarantine_rows} rows in quarantine, but {sent.rejects[source]} expected"
        if quarantine_rows != sent.rejects[source]
        else "",
    ]
    return Account(
        source,
        sent=asked,
        received=received,
        accepted=counted[Outcome.ACCEPTED],
        repeated=counted[Outcome.REPEATED],
        quarantined=counted[Outcome.QUARANTINED],
        refused=counted[Outcome.REFUSED],
        raw_rows=raw_rows,
        quarantine_rows=quarantine_rows,
        problems=tuple(problem for problem in problems if problem),
    )


def _server_counts(url: str) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    page = requests.get(f"{url}/metrics", timeout=10)
    page.raise_for_status()
    received: Counter[str] = Counter()
    outcomes: Counter[tuple[str, str]] = Counter()
    for family in text_string_to_metric_families(page.text):
        for sample in family.samples:
            if sample.name == _REQUESTS:
                received[sample.labels["source"]] += int(sample.value)
            elif sample.name == _OUTCOMES:
                outcomes[sample.labels["source"], sample.labels["outcome"]] += int(sample.value)
    return received, outcomes


def _raw_rows(catalog: Catalog) -> Counter[str]:
    rows: Counter[str] = Counter()
    for _, name in catalog.list_tables("raw"):
        rows[name.split("_")[0]] += catalog.load_table(("raw", name)).scan().count()
    return rows


def _quarantine_rows(catalog: Catalog) -> Counter[str]:
    table = catalog.load_table("metadata.quarantine")
    found = table.scan(row_filter="is_sample = false", selected_fields=("source",)).to_arrow()
    return Counter(found["source"].to_pylist())


def merged(first: SendReport, second: SendReport) -> SendReport:
    """Two waves to the same server as one."""
    return SendReport(
        started=first.started + second.started,
        seconds=first.seconds + second.seconds,
        retries=first.retries + second.retries,
        bytes_sent=first.bytes_sent + second.bytes_sent,
        expected=first.expected + second.expected,
        actual=first.actual + second.actual,
        rows=first.rows + second.rows,
        rejects=first.rejects + second.rejects,
        latencies=first.latencies + second.latencies,
    )
