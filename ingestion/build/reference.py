"""docs/reference: every command, setting, metric, table, error, answer and reason, written from the code itself."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from dbt.contracts.graph.manifest import Manifest
from prometheus_client import REGISTRY

import ingestion
from ingestion.build import state
from ingestion.bulk import reconcile, schema
from ingestion.bulk.declared import declared
from ingestion.bulk.rows import with_platform_columns
from ingestion.bulk.state import RUNS, RUNS_COLUMNS, STATUS, STATUS_COLUMNS
from ingestion.cli import NOUNS, cli
from ingestion.errors import FrazilError
from ingestion.lake import quarantine
from ingestion.lake.status import WATERMARKS
from ingestion.overview.metrics import METRICS as STATUS_METRICS
from ingestion.reasons import REASONS
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.webhooks.answers import REFUSED, STORED, UNCOUNTED
from ingestion.webhooks.events import raw_schema
from ingestion.webhooks.metrics import METRICS
from ingestion.webhooks.sources import load_sources

FOLDER = PROJECT_ROOT / "docs" / "reference"
_NOTE = "<!-- Written by `make docs` from the code; edit the code, not this page. -->\n"
_OWN_TABLES = {
    quarantine.QUARANTINE: quarantine.COLUMNS,
    state.TABLE: state.COLUMNS,
    STATUS: STATUS_COLUMNS,
    RUNS: RUNS_COLUMNS,
    schema.TABLE: schema.COLUMNS,
    reconcile.TABLE: reconcile.COLUMNS,
}
_PLATFORM_METRICS = ("python_", "process_")


def pages(manifest: Manifest) -> dict[str, str]:
    """File name to text of every page."""
    return {
        "cli.md": _page("Commands", _commands()),
        "settings.md": _page("Settings", _settings()),
        "metrics.md": _page("Metrics", _metrics()),
        "tables.md": _page("Tables", _tables(manifest)),
        "errors.md": _page("Errors and exit codes", _errors()),
        "answers.md": _page("Answers of the capture server, and reasons of the quarantine", _answers()),
    }


def write_pages(manifest: Manifest, folder: Path = FOLDER) -> None:
    """Bring the folder in step with the code."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages(manifest).items():
        (folder / name).write_text(text, encoding="utf-8")


def _page(title: str, lines: Iterator[str]) -> str:
    return f"# {title}\n\n{_NOTE}\n" + "\n".join(lines) + "\n"


def _row(*cells: Any) -> str:
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"


def _commands() -> Iterator[str]:
    yield "Exit codes: 0 done, 1 failed, 2 wrong use, 3 contract broken, 75 try again.\n"
    for noun in NOUNS:
        command = cli.get_command(click.Context(cli), noun)
        assert command is not None
        yield from _command(command, f"frazil {noun}")


def _command(command: click.Command, path: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in sorted(command.list_commands(click.Context(command))):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from _command(below, f"{path} {name}")
        return
    arguments = [one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)]
    yield f"## `{' '.join([path, *arguments])}`\n"
    yield f"{' '.join((command.help or '').split())}\n"
    options = [one for one in command.params if isinstance(one, click.Option)]
    if options:
        yield "| option | default | meaning |\n|---|---|---|"
        for option in options:
            default = "" if option.default in (None, False) or not _is_plain(option.default) else option.default
            yield _row(f"`{', '.join(option.opts)}`", default, option.help or "")
        yield ""


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _settings() -> Iterator[str]:
    yield "Read from the environment, then from `.env` in the project's folder; an empty one is as if not set.\n"
    yield "| variable | default | meaning |\n|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = str(field.default).replace(str(PROJECT_ROOT), "<project>")
        yield _row(f"`FRAZIL_{name.upper()}`", f"`{default}`", field.description or "")
    yield "\nOther variables of profiles/profiles.yml, for dbt and its engines:\n"
    yield "| variable | default | what it sets |\n|---|---|---|"
    fields = {f"FRAZIL_{name.upper()}" for name in Settings.model_fields}
    for name, variable, default in re.findall(
        r"^ +([\w.]+): .*?env_var\('(FRAZIL_\w+)', '(.*?)'\)", _text("profiles/profiles.yml"), re.MULTILINE
    ):
        if variable not in fields:
            yield _row(f"`{variable}`", f"`{default}`", f"`{name}`")
    yield "\nSecrets and other variables that files of config name:\n"
    yield "| variable | default | file |\n|---|---|---|"
    for path in sorted((PROJECT_ROOT / "config").rglob("*.yaml")):
        file = path.relative_to(PROJECT_ROOT).as_posix()
        lines = "\n".join(line for line in _text(file).splitlines() if not line.lstrip().startswith("#"))
        for variable, default in sorted(set(re.findall(r"\$\{([A-Z_]+)(?::([^}]*))?\}", lines))):
            yield _row(f"`{variable}`", f"`{default}`" if default else "", file)


def _text(file: str) -> str:
    return (PROJECT_ROOT / file).read_text(encoding="utf-8")


def _metrics() -> Iterator[str]:
    yield "| metric | kind | labels | meaning |\n|---|---|---|---|"
    for module in ("ingestion.lake.metrics", "ingestion.cdc.metrics", "ingestion.poll.metrics"):
        importlib.import_module(module)
    rows = [(name, found.kind, found.labels, found.help) for name, found in {**METRICS, **STATUS_METRICS}.items()]
    for collector in set(REGISTRY._collector_to_names):
        labels = getattr(collector, "_labelnames", ())
        for metric in collector.collect():
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            if not name.startswith(_PLATFORM_METRICS):
                rows.append((name, metric.type, labels, metric.documentation))
    for name, kind, labels, text in sorted(rows):
        yield _row(f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), text)


def _tables(manifest: Manifest) -> Iterator[str]:
    for source in load_sources(PROJECT_ROOT / "config", {}).values():
        for name in source.objects:
            yield f"## raw.{source.source}_{name}\n"
            yield "| column | type |\n|---|---|"
            for column in raw_schema(source, name):
                yield _row(f"`{column.name}`", column.type)
            yield ""
    for name, columns in declared().items():
        yield f"## {name}\n"
        yield "| column | type |\n|---|---|"
        for column in with_platform_columns(columns):
            yield _row(f"`{column.name}`", column.type)
        yield ""
    for name, columns in _OWN_TABLES.items():
        yield f"## {name}\n"
        yield "| column | type |\n|---|---|"
        for column in columns:
            yield _row(f"`{column.name}`", column.type)
        yield ""
    yield f"## {WATERMARKS}\n"
    yield "| column | type | meaning |\n|---|---|---|"
    made = _text("macros/incremental/watermarks.sql")
    for name, kind, meaning in re.findall(r"^ +(\w+) (\w+) comment '(.*)',?$", made, re.MULTILINE):
        yield _row(f"`{name}`", kind, meaning)
    yield ""
    models = [node for node in manifest.nodes.values() if node.resource_type in ("model", "seed", "snapshot")]
    for node in sorted(models, key=lambda found: (found.schema, found.name)):
        yield f"## {node.schema}.{node.name}\n"
        yield f"{' '.join(node.description.split())}\n"
        if node.columns:
            yield "| column | meaning |\n|---|---|"
            for described in node.columns.values():
                yield _row(f"`{described.name}`", described.description)
            yield ""


def _errors() -> Iterator[str]:
    yield "The class decides the exit code; the message says what to do next.\n"
    yield "| error | exit code | meaning |\n|---|---|---|"
    for module in pkgutil.walk_packages(ingestion.__path__, "ingestion."):
        importlib.import_module(module.name)
    for found in sorted(_subclasses(FrazilError), key=lambda one: one.__name__):
        text = (inspect.getdoc(found) or "").split("\n\n")[0]
        yield _row(f"`{found.__name__}`", found.exit_code, text)


def _answers() -> Iterator[str]:
    yield "The outcome is in `x-frazil-outcome`; outcome and reason are labels of `frazil_webhook_outcomes_total`.\n"
    yield "| status | outcome | reason | meaning | what to do |\n|---|---|---|---|---|"
    kinds = [(kind, name, "") for name, kind in STORED.items()]
    kinds += [(kind, "refused", f"`{name}`") for name, kind in REFUSED.items()]
    kinds += [(kind, "", "") for kind in UNCOUNTED]
    for kind, outcome, reason in sorted(kinds, key=lambda found: found[0].status or 999):
        shown = f"`{outcome}`" if outcome else "not counted"
        yield _row(kind.status or "no answer", shown, reason, kind.meaning, kind.next_step)
    yield "\n## Reasons\n"
    yield "What cannot become a row is in `metadata.quarantine`; `frazil quarantine list` shows it with its reason:\n"
    yield "| reason | of | meaning | what to do |\n|---|---|---|---|"
    for word, found in sorted(REASONS.items()):
        yield _row(f"`{word}`", found.of, found.meaning, found.next_step)
    for source in load_sources(PROJECT_ROOT / "config", {}).values():
        for name, where in source.quarantine_when.items():
            told = " and ".join(f"`{place}` is `{wanted}`" for place, wanted in where.items())
            choice = f"`quarantine_when` of config/webhooks/{source.source}.yaml asks for it: {told}."
            next_step = "When an object takes such events, remove the rule, and replay."
            yield _row(f"`{name}`", source.source, choice, next_step)


def _subclasses(base: type[FrazilError]) -> set[type[FrazilError]]:
    return {base}.union(*(_subclasses(below) for below in base.__subclasses__()))
