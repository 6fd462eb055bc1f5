"""The files of a planned source, in the house style, proved on the example before one of them is written."""

import json
import tempfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import yaml

from ingestion.errors import ContractError, UsageError
from ingestion.webhooks.events import Rejected, reader
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.scaffold import Column, Plan
from ingestion.webhooks.sources import load_source

_HEADINGS = {
    "standard": "A sender that follows the Standard Webhooks specification (webhook-id, -timestamp and -signature).",
    "shopify": "Signed as Shopify signs: the body only, so no key or order may rest on a header.",
    "stripe": "Signed as Stripe signs: the time and the body.",
    "hubspot": "Signed as HubSpot signs: method, public URL, body and time.",
}
_GROUPS = (("string", "reference", "json"), ("money", "long"), ("boolean",))
"""The order of a staging model's columns, other ids first; times come after these."""


class File(NamedTuple):
    """One file to write; `path` is below the project's root."""

    path: Path
    text: str


class Written(NamedTuple):
    """What became of one file."""

    path: Path
    state: Literal["written", "unchanged", "replaced"]


def compose(plan: Plan) -> list[File]:
    """The source's YAML, the staging model, its YAML and the declaration of the raw table.

    Raises UsageError if the example itself would not be read by what was inferred.
    """
    config = _config(plan)
    _prove(plan, config)
    folder = Path("models") / "staging" / plan.source
    model = f"stg_{plan.source}_{plan.object_name}"
    return [
        File(Path("config") / "webhooks" / f"{plan.source}.yaml", config),
        File(folder / f"{model}.sql", _model(plan)),
        File(folder / f"{model}.yml", _model_yaml(plan, model)),
        File(folder / "_sources.yml", _sources_yaml(plan)),
    ]


def write(files: list[File], root: Path, *, force: bool) -> list[Written]:
    """Write all or nothing: a file that is there with other content is only replaced by force."""
    edited = [str(file.path) for file in files if _differs(root / file.path, file.text)]
    if edited and not force:
        raise UsageError(f"already there, with other content: {', '.join(edited)}; --force replaces them")
    done = []
    for file in files:
        path = root / file.path
        state: Literal["written", "unchanged", "replaced"] = "written"
        if path.exists():
            state = "replaced" if _differs(path, file.text) else "unchanged"
        if state != "unchanged":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
        done.append(Written(file.path, state))
    return done


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") != text


def _prove(plan: Plan, config: str) -> None:
    """Read the example with the new configuration: it must become rows, with the body unchanged."""
    if "${" in json.dumps([plan.headers, plan.body]):
        raise UsageError("the example holds ${...}, which a configuration file would fill in; write another text there")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{plan.source}.yaml"
        path.write_text(config, encoding="utf-8")
        try:
            source = load_source(path, {})
        except UsageError as error:
            problem = str(error).removeprefix(f"{path}: ")
            raise UsageError(f"the example cannot be made a source of: {problem}") from error
    if source.example.body != plan.body:
        raise ContractError("the example reads differently from YAML; please report it with the example")
    body = source.example.body_bytes
    headers = {"webhook-id": "msg_example", **plan.headers}
    found = reader(source).inspect(headers, body)
    delivery = Delivery(plan.source, found.delivery_id, 0, msgspec.json.encode(headers), body, found.reason)
    for result in reader(source).split(delivery):
        if isinstance(result, Rejected):
            raise UsageError(
                f"the example would go to the quarantine: {result.reason} {result.detail}".rstrip()
                + "; give --topic, --key or --updated-at, or mend the example"
            )
        if result.table != f"{plan.source}_{plan.object_name}":
            raise ContractError(f"the example went to {result.table}")


def _config(plan: Plan) -> str:
    lines = [
        f"# {_HEADINGS[plan.scheme]}",
        f"source: {plan.source}",
        f"signature: {{scheme: {plan.scheme}}}",
        f"secrets: ${{{plan.source.upper()}_WEBHOOK_SECRET:}}",
        "keep_ids_hours: 96",
        *(["batch: true"] if plan.batch else []),
        "",
        f"{'event_id' if plan.batch else 'delivery_id'}:",
        *(f"  - {place}" for place in (plan.event_id if plan.batch else plan.delivery_id)),
        f"topic: {plan.topic}",
        *(["webhook_id: header:webhook-id"] if plan.scheme == "standard" else []),
        *([_time("source_at", plan.source_at, plan.source_at_format)] if plan.source_at else []),
        *([f"data: {plan.data}"] if plan.data else []),
        "",
        "objects:",
        f"  {plan.object_name}:",
        "    accept:",
        *(
            f"      - {{op: {op}, topics: [{', '.join(_scalar(topic) for topic in topics)}]}}"
            for op, topics in plan.rules
        ),
        f"    key: {plan.key}",
        *([f"    {_time('updated_at', plan.updated_at, plan.updated_at_format)}"] if plan.updated_at else []),
        "    columns:",
        *(f"      {column.name}: {_column_text(column)}" for column in plan.columns),
        "",
        "example:",
        f"  headers: {'{}' if not plan.headers else ''}".rstrip(),
        *(f"    {_scalar(name)}: {_scalar(value)}" for name, value in plan.headers.items()),
        "  body:",
        *(f"    {line}" for line in _dump(plan.body).splitlines()),
    ]
    return "\n".join(lines) + "\n"


def _time(name: str, place: str, form: str) -> str:
    return f"{name}: {place}" if form == "iso" else f"{name}: {{at: {place}, format: {form}}}"


def _column_text(column: Column) -> str:
    return column.type if column.name == column.path else f"{{path: {_scalar(column.path)}, type: {column.type}}}"


def _scalar(value: str) -> str:
    """`value` as YAML text, quoted where YAML would read something else or a flow sequence would end."""
    plain = yaml.safe_dump(value, default_flow_style=True, width=10_000).splitlines()[0]
    return json.dumps(value, ensure_ascii=False) if any(mark in plain for mark in ",[]{}*#:") else plain


def _dump(body: Any) -> str:
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=110)


def _model(plan: Plan) -> str:
    key = _raw_key(plan)
    deleted_at = ", deleted_at='_source_at'" if plan.source_at else ""
    lines = [
        f"{{{{ config(unique_key='{plan.entity}_id', meta={{'merge_by': 'position'}}) }}}}",
        "",
        "with",
        "",
        "changes as (",
        "",
        f"    {{{{ latest_changes(source('raw', '{plan.source}_{plan.object_name}'), '{key}'{deleted_at}) }}}}",
        "",
        ")",
        "",
        "select",
        f"    {key} as {plan.entity}_id,",
        *(f"    {expression}," for _, expression, _ in staged(plan)),
        "    coalesce(_deleted_position, '') >= _change_position as is_deleted,",
        *(f"    {expression}," for _, expression, _ in staged(plan, times=True)),
        "    _deleted_at as deleted_at,",
        "    _event_id as _raw_id,",
        "    _change_position as _position,",
        "    _deleted_position,",
        "    _received_at,",
        "    _loaded_at,",
        "    {{ run_timestamp() }} as _staged_at",
        "from changes",
    ]
    return "\n".join(lines) + "\n"


def staged(plan: Plan, *, times: bool = False) -> list[tuple[str, str, Column]]:
    """Name, select expression and raw column of each staged column beside the key, in the house order."""
    columns = [column for column in plan.columns if column.path != plan.key]
    chosen: list[Column] = []
    if times:
        chosen = [column for column in columns if column.type.startswith("timestamp")]
    else:
        for group in _GROUPS:
            chosen += sorted((c for c in columns if c.type in group), key=lambda c: not c.name.endswith("_id"))
    names = _staged_names(plan, columns)
    return [(names[column.name], _expression(column, names[column.name]), column) for column in chosen]


def _staged_names(plan: Plan, columns: list[Column]) -> dict[str, str]:
    """By the raw column's name, each once: one that is named as raw names it goes before one that is renamed."""
    wanted = {column.name: _staged_name(plan, column) for column in columns}
    names: dict[str, str] = {}
    for raw in sorted(wanted, key=lambda raw: wanted[raw] != raw):
        name, number = wanted[raw], 1
        while name in names.values() or name in _own_names(plan):
            number += 1
            name = _numbered(wanted[raw], number)
        names[raw] = name
    return names


def _numbered(name: str, number: int) -> str:
    """`total_2_amount`: the ending tells what a column is."""
    stem, ending = next(((name.removesuffix(end), end) for end in ("_amount", "_at") if name.endswith(end)), (name, ""))
    return f"{stem}_{number}{ending}"


def _staged_name(plan: Plan, column: Column) -> str:
    name = column.name
    if column.type == "money":
        return f"{name.removesuffix('_price').removesuffix('_amount')}_amount"
    if column.type == "boolean":
        return name if name.startswith(("is_", "has_")) else f"is_{name}"
    if column.type.startswith("timestamp") and not name.endswith("_at"):
        name = f"{name}_at"
    return f"source_{name}" if name in _own_names(plan) else name


def _own_names(plan: Plan) -> tuple[str, ...]:
    """What each staging model has, whatever its source sends."""
    return (f"{plan.entity}_id", "deleted_at", "is_deleted")


def _expression(column: Column, name: str) -> str:
    if column.type == "money":
        return f"cast({column.name} as decimal(18, 2)) as {name}"
    if column.type == "boolean":
        return f"coalesce({column.name}, false) as {name}"
    return column.name if name == column.name else f"{column.name} as {name}"


def _raw_key(plan: Plan) -> str:
    return next(column.name for column in plan.columns if column.path == plan.key)


def _model_yaml(plan: Plan, model: str) -> str:
    key = f"{plan.entity}_id"
    described = [*staged(plan), *staged(plan, times=True)]
    what = f"{plan.source} {plan.entity.replace('_', ' ')}"
    lines = [
        "models:",
        f"  - name: {model}",
        f"    description: The current state of each {what}; one row per `{key}`.",
        "    data_tests:",
        f"      - unique_key: {{arguments: {{columns: [{key}]}}}}",
        "    columns:",
        f"      - name: {key}",
        f"        description: The id that {plan.source} gives it, kept as text.",
    ]
    for name, _, column in described:
        lines += [f"      - name: {name}", f"        description: {_scalar(_meaning(column))}"]
    for name, meaning in _PLATFORM.items():
        lines += [f"      - name: {name}", f"        description: {_scalar(meaning)}"]
    return "\n".join([*lines, "", *_unit_test(plan, model)]) + "\n"


def _unit_test(plan: Plan, model: str) -> list[str]:
    raw, key = _raw_key(plan), f"{plan.entity}_id"
    return [
        "unit_tests:",
        f"  - name: the_latest_event_of_each_{plan.source}_{plan.entity}_counts",
        f"    model: {model}",
        "    given:",
        f"      - input: source('raw', '{plan.source}_{plan.object_name}')",
        "        rows:",
        f'          - {{{raw}: "1", _op: u, _position: "2", _event_id: newer}}',
        f'          - {{{raw}: "1", _op: c, _position: "1", _event_id: older}}',
        f'          - {{{raw}: "2", _op: d, _position: "3", _event_id: gone}}',
        "    expect:",
        "      rows:",
        f'        - {{{key}: "1", is_deleted: false, _raw_id: newer}}',
        f'        - {{{key}: "2", is_deleted: true, _raw_id: gone}}',
    ]


def _meaning(column: Column) -> str:
    kind = {"json": ", as JSON text", "money": ", in major units", "boolean": ", false when absent"}.get(
        column.type, ""
    )
    when = ", in UTC" if column.type.startswith("timestamp") else ""
    return f"`{column.path}` of the event{kind}{when}."


_PLATFORM = {
    "is_deleted": "The source has deleted it.",
    "deleted_at": "When the latest delete happened.",
    "_raw_id": "`_event_id` of the raw row whose values these are.",
    "_position": "Place of that event in the source's order.",
    "_deleted_position": "Place of the latest delete, with its time.",
    "_received_at": "When that event reached the server.",
    "_loaded_at": "When that event was committed to raw.",
    "_staged_at": "When this row was last written.",
}


def _sources_yaml(plan: Plan) -> str:
    lines = [
        "sources:",
        "  - name: raw",
        "    schema: raw",
        f"    description: The webhooks of {plan.source}, as signed.",
        "    config:",
        "      loaded_at_field: _loaded_at",
        "      freshness: {warn_after: {count: 24, period: hour}}",
        "    tables:",
        f"      - name: {plan.source}_{plan.object_name}",
        f"        description: Every event about {plan.object_name.replace('_', ' ')}, with its values.",
    ]
    return "\n".join(lines) + "\n"
