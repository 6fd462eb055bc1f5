"""deploy/monitoring: queries name metrics that exist, alerts have a page that exists, and the rules do as they say."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from ingestion.cdc import metrics as cdc
from ingestion.lake import metrics as sink
from ingestion.overview.metrics import METRICS as STATUS
from ingestion.poll import metrics as poll
from ingestion.settings import PROJECT_ROOT
from ingestion.webhooks.metrics import METRICS as WEBHOOKS

FOLDER = PROJECT_ROOT / "deploy" / "monitoring"
RULES = yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))["groups"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
_NAME = re.compile(r"\bfrazil_[a-z0-9_]+")


def samples() -> dict[str, set[str]]:
    """Name of every time series to its labels, as the endpoints tell them."""
    found: dict[str, set[str]] = {}
    for name, metric in {**STATUS, **WEBHOOKS}.items():
        kinds = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        found |= {name + kind: {*metric.labels, *(["le"] if kind == "_bucket" else [])} for kind in kinds}
    endings = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
    for module in (sink, cdc, poll):
        for collector in (one for one in vars(module).values() if isinstance(one, MetricWrapperBase)):
            assert collector in REGISTRY._collector_to_names
            for family in collector.collect():
                found |= {family.name + kind: {*collector._labelnames, "le"} for kind in endings[family.type]}
    return found


def queries() -> Iterator[tuple[str, str]]:
    for group in RULES:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in RULES for rule in group["rules"]]


@pytest.mark.parametrize(("place", "query"), list(queries()), ids=lambda value: str(value)[:40])
def test_a_query_names_metrics_and_labels_that_exist(place: str, query: str) -> None:
    known = samples()
    named = set(_NAME.findall(query))
    grouped = {label.strip() for one in re.findall(r"by \(([^)]*)\)", query) for label in one.split(",")}
    matched = {label for one in re.findall(r"\{([^}]*)\}", query) for label in re.findall(r"(\w+)\s*=", one)}

    assert named, place
    assert named <= set(known), place
    assert grouped | matched <= set().union(*(known[name] for name in named)), place


def test_each_alert_names_a_page_and_a_heading_that_exist() -> None:
    for rule in alerts():
        page, _, heading = rule["annotations"]["runbook"].partition("#")
        text = (PROJECT_ROOT / page).read_text(encoding="utf-8")
        headings = {
            re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in text.splitlines()
            if line.startswith("#")
        }
        assert not heading or heading in headings, rule["alert"]


def test_panels_lie_beside_one_another_and_each_has_a_query() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        assert panel["type"] == "row" or panel["targets"]
        taken |= cells


def test_each_alert_is_tried() -> None:
    tried = yaml.safe_load((FOLDER / "rules_test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {one["alertname"] for case in tried for one in case["alert_rule_test"] if one.get("exp_alerts")}
    silent = {one["alertname"] for case in tried for one in case["alert_rule_test"] if not one.get("exp_alerts")}

    assert fired == silent == {rule["alert"] for rule in alerts()}


@pytest.mark.parametrize("words", [("check", "config", "prometheus.yml"), ("test", "rules", "rules_test.yml")])
def test_prometheus_itself_agrees(words: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: the package prometheus)")

    done = subprocess.run([promtool, *words], cwd=FOLDER, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert Path(FOLDER / words[-1]).exists()
