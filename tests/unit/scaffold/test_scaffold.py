"""Scaffolding: what is inferred from an example is read again by the real configuration and reader."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from ingestion.cli.scaffold import command
from ingestion.errors import UsageError
from ingestion.webhooks.scaffold import Column, Wishes, planned
from ingestion.webhooks.scaffold_files import compose, write
from ingestion.webhooks.sources import load_sources

TICKET: dict[str, Any] = {
    "type": "ticket.updated",
    "timestamp": "2026-02-03T10:00:00Z",
    "data": {
        "id": 9007199254740993,
        "totalPrice": "120.50",
        "share": 0.19,
        "paid": False,
        "customer": {"id": "c1", "email": "ann@example.com"},
        "lines": [{"a": 1}],
        "opened_at": "2026-02-03T09:00:00+01:00",
        "seen": 1767625200,
        "updated": 1767625200123,
        "order": 3,
        "2fa": True,
        "note": None,
        "huge": 2**70,
    },
}


def scaffolded(tmp_path: Path, example: Any, **wishes: Any) -> dict[str, Any]:
    """The one object of the source as the real loader reads it."""
    write(compose(planned(Wishes("acme", **wishes), example)), tmp_path, force=False)
    source = load_sources(tmp_path / "config", {})["acme"]
    [(name, found)] = source.objects.items()
    return {"source": source, "name": name, "types": {c: col.type for c, col in found.columns.items()}, "object": found}


def test_names_and_types_come_from_the_example(tmp_path: Path) -> None:
    found = scaffolded(tmp_path, TICKET)

    assert found["name"] == "tickets"
    assert found["types"] == {
        "id": "id",
        "total_price": "money",
        "share": "string",
        "paid": "boolean",
        "customer_id": "string",
        "customer_email": "string",
        "lines": "json",
        "opened_at": "timestamp",
        "seen": "long",
        "updated": "timestamp_milliseconds",
        "order_value": "long",
        "x_2fa": "boolean",
        "note": "string",
        "huge": "string",
    }
    assert found["source"].example.body == TICKET


def test_the_model_follows_the_house_style(tmp_path: Path) -> None:
    scaffolded(tmp_path, TICKET)

    folder = tmp_path / "models" / "staging" / "acme"
    model = (folder / "stg_acme_tickets.sql").read_text()
    properties = yaml.safe_load((folder / "stg_acme_tickets.yml").read_text())["models"][0]
    selected = model.split("select\n")[1].split("from changes")[0].strip().splitlines()
    names = [line.strip().rstrip(",").split(" as ")[-1] for line in selected]
    assert names[0] == "ticket_id"
    assert names.index("customer_id") < names.index("total_amount") < names.index("is_paid") < names.index("opened_at")
    assert names[-1] == "_staged_at"
    assert sorted(names) == sorted(column["name"] for column in properties["columns"])
    assert properties["data_tests"] == [{"unique_key": {"arguments": {"columns": ["ticket_id"]}}}]
    assert "one row per `ticket_id`" in properties["description"]
    assert all(column["description"] for column in properties["columns"])


def test_columns_that_would_have_one_name_have_two(tmp_path: Path) -> None:
    alike = {
        **{"a": "x", "A": "y", "a_2": "z", "total_price": "1.50", "total_amount": "1.20", "active": True},
        **{"is_active": "yes", "deleted": False, "created": 1767625200, "created_at": "2026-02-03T09:00:00Z"},
    }

    found = scaffolded(tmp_path, {**TICKET, "data": {"id": 1, **alike}})
    model = (tmp_path / "models" / "staging" / "acme" / "stg_acme_tickets.sql").read_text()

    assert {"a", "a_2", "a_3"} <= set(found["types"])
    selected = model.split("select\n")[1].split("from changes")[0].strip().splitlines()
    names = [line.strip().rstrip(",").split(" as ")[-1] for line in selected]
    assert len(names) == len(set(names))
    assert {"total_amount", "total_2_amount", "created_at", "created_2_at", "is_active", "is_deleted"} <= set(names)


@pytest.mark.parametrize(
    ("scheme", "example", "name", "time"),
    [
        ("stripe", {"id": "evt_1", "type": "payout.paid", "created": 1767625200, "data": {"object": {"id": "po_1"}}},
         "payouts", "seconds"),
        ("shopify", {"headers": {"X-Shopify-Topic": "carts/update", "X-Shopify-Webhook-Id": "w"},
                     "body": {"id": 1, "updated_at": "2026-02-03T10:00:00Z"}}, "carts", "iso"),
        ("hubspot", [{"subscriptionType": "parcel.creation", "occurredAt": 1767625200000, "attemptNumber": 0,
                      "objectId": 12}], "parcels", "milliseconds"),
    ],
)  # fmt: skip
def test_every_scheme_can_be_scaffolded(tmp_path: Path, scheme: str, example: Any, name: str, time: str) -> None:
    found = scaffolded(tmp_path, example, scheme=scheme)

    assert found["name"] == name
    assert found["object"].updated_at.format == time
    assert found["source"].signature.scheme == scheme


def test_a_repeat_of_a_batch_is_the_same_event_in_spite_of_its_counter(tmp_path: Path) -> None:
    element = {"subscriptionType": "parcel.creation", "occurredAt": 1, "attemptNumber": 0, "objectId": 12}

    found = scaffolded(tmp_path, [element], scheme="hubspot", updated_at="occurredAt")

    named = {place.path[0] for places in found["source"].event_id for place in places.choices}
    assert named == {"subscriptionType", "occurredAt", "objectId"}


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ({"data": {"id": 1}}, "--topic"),
        ({"type": "a.b", "data": {"name": "x"}}, "--key"),
        ({"type": "a.b", "id": "${HOME}"}, "fill in"),
        ([], "JSON object"),
        ("text", "JSON object"),
        ({"type": "a.b", "id": 1, "updated_at": "yesterday"}, "quarantine: bad_time"),
    ],
)
def test_what_cannot_be_inferred_is_asked_for(tmp_path: Path, example: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        scaffolded(tmp_path, example)

    assert list(tmp_path.iterdir()) == []


def test_a_field_that_no_path_can_name_stays_in_the_payload_and_is_told_of(tmp_path: Path) -> None:
    odd = ["Weird Key-é", "a.b", "a:b", "a|b", "sure?", "", "--"]
    inside = {"id": "par_1", "kept": 1, **dict.fromkeys(odd, "x"), "size": {"in cm": 3, "of": "box"}}
    example = {"type": "parcel.sent", "data": inside}

    plan = planned(Wishes("acme"), example)
    found = scaffolded(tmp_path, example)

    assert found["types"] == {"id": "id", "kept": "long", "size": "json"}
    told = next(note for note in plan.notes if "_payload" in note)
    assert [name for name in odd if json.dumps(name, ensure_ascii=False) not in told] == []
    assert found["source"].example.body == example


def test_a_batch_is_not_identified_by_a_field_that_no_path_can_name(tmp_path: Path) -> None:
    element = {"type": "parcel.sent", "id": 12, "Weird Key-é": 1, "occurredAt": 1767625200000}

    found = scaffolded(tmp_path, [element], scheme="hubspot")

    named = {place.path[0] for places in found["source"].event_id for place in places.choices}
    assert named == {"type", "id", "occurredAt"}


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"key": "Weird Key"}, "--key: 'Weird Key' is no place"),
        ({"topic": "body:a b"}, "--topic: 'body:a b' is no place"),
        ({"updated_at": "header:X-Time"}, "--updated-at: 'header:X-Time'"),
    ],
)
def test_a_wish_that_names_no_place_is_told_by_its_option(wishes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        planned(Wishes("acme", **wishes), TICKET)


def test_no_message_names_the_file_that_the_example_is_tried_in(tmp_path: Path) -> None:
    plan = replace(planned(Wishes("acme"), TICKET), columns=[Column("_odd", "note", "string")])

    with pytest.raises(UsageError, match="'_odd'") as refused:
        compose(plan)

    assert "/" not in str(refused.value)


@pytest.mark.parametrize("depth", [900, 5_000])
def test_an_example_that_is_nested_too_deep_is_named(tmp_path: Path, depth: int) -> None:
    example = tmp_path / "event.json"
    example.write_text('{"type": "a.b", "id": 1, "below": ' + "[" * depth + "]" * depth + "}")

    words = ["webhook", "acme", "--example", str(example), "--root", str(tmp_path / "project")]
    shown = CliRunner().invoke(command, words)

    assert isinstance(shown.exception, UsageError)
    assert str(example) in str(shown.exception)
    assert list(tmp_path.iterdir()) == [example]


@pytest.mark.parametrize("value", ["NaN", "-Infinity", '"\\ud800"'])
def test_an_example_that_python_alone_reads_is_no_json(tmp_path: Path, value: str) -> None:
    example = tmp_path / "event.json"
    example.write_text('{"type": "a.b", "id": 1, "odd": ' + value + "}")

    words = ["webhook", "acme", "--example", str(example), "--root", str(tmp_path / "project")]
    shown = CliRunner().invoke(command, words)

    assert isinstance(shown.exception, UsageError)
    assert f"{example}: not JSON" in str(shown.exception)


def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    example = tmp_path / "event.json"
    example.write_text(json.dumps(TICKET))

    shown = CliRunner().invoke(command, ["webhook", "acme", "--example", str(example), "--root", str(example)])

    assert isinstance(shown.exception, UsageError)
    assert f"--root {example}: Not a directory" in str(shown.exception)


@pytest.mark.parametrize("name", ["two_words", "Acme", "1st", "", "a-b", "../up"])
def test_a_source_is_one_word(name: str) -> None:
    with pytest.raises(UsageError, match="one word"):
        planned(Wishes(name), TICKET)


def test_an_edited_file_is_kept_unless_forced(tmp_path: Path) -> None:
    files = compose(planned(Wishes("acme"), TICKET))
    write(files, tmp_path, force=False)
    edited = tmp_path / "models" / "staging" / "acme" / "stg_acme_tickets.sql"
    edited.write_text("select 1\n")

    with pytest.raises(UsageError, match=r"stg_acme_tickets\.sql.*--force"):
        write(files, tmp_path, force=False)
    assert edited.read_text() == "select 1\n"

    states = {one.path.name: one.state for one in write(files, tmp_path, force=True)}
    assert states.pop("stg_acme_tickets.sql") == "replaced"
    assert set(states.values()) == {"unchanged"}


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    example = tmp_path / "event.json"
    example.write_text(json.dumps(TICKET))

    words = ["webhook", "acme", "--example", str(example), "--root", str(tmp_path / "project")]
    shown = CliRunner().invoke(command, words, catch_exceptions=False)

    assert shown.exit_code == 0
    assert "ACME_WEBHOOK_SECRET" in shown.output
    assert "stg_acme_tickets.sql" in shown.output
