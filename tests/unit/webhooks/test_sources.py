"""Source files: what is read from them and how a mistake is reported."""

from pathlib import Path

import pytest
import yaml

from ingestion.errors import UsageError
from ingestion.webhooks.places import Place, parse_places
from ingestion.webhooks.sources import SourceConfig, load_source, load_sources

MINIMAL = {
    "source": "shop",
    "signature": {"scheme": "standard"},
    "secrets": "${SHOP_SECRET:}",
    "delivery_id": ["header:webhook-id"],
    "topic": "body:type",
    "objects": {"things": {"accept": [{"op": "u"}], "key": "id", "columns": {"id": "id"}}},
    "example": {"body": {"type": "t", "id": 1}},
}


def written(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, **changes}))
    return path


def test_every_source_of_the_repository_loads_without_its_secrets(sources: dict[str, SourceConfig]) -> None:
    assert list(sources) == sorted(sources)
    assert {"acme", "hubspot", "shopify", "stripe"} <= set(sources)


def test_secrets_are_split_at_commas_and_do_not_show_in_the_source_s_text(tmp_path: Path) -> None:
    source = load_source(written(tmp_path), {"SHOP_SECRET": "hush-1, hush-2,"})

    assert [secret.get_secret_value() for secret in source.secrets] == ["hush-1", "hush-2"]
    assert "hush" not in repr(source)
    assert "hush" not in source.model_dump_json()


def test_a_source_without_its_variable_has_no_secret(tmp_path: Path) -> None:
    assert load_source(written(tmp_path), {}).secrets == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "my_shop"}, "source"),
        ({"source": "other"}, "is named other.yaml"),
        ({"source": "poll"}, "a source cannot be called poll"),
        ({"source": "unknown"}, "a source cannot be called unknown"),
        ({"signature": {"scheme": "md5"}}, "signature.scheme"),
        ({"topic": "query:type"}, "is no place"),
        ({"topic": "header:X-Topic"}, "lower case"),
        ({"delivery_id": []}, "delivery_id is missing"),
        ({"batch": True}, "a batch is identified by its elements"),
        ({"unknown": 1}, "unknown"),
        ({"quarantine_when": {"tests": {"query:env": "test"}}}, "quarantine_when.tests.*is no place"),
        ({"objects": {"things": {**MINIMAL["objects"]["things"], "columns": {"id": "uuid"}}}}, "'uuid'"),  # type: ignore[index]
        ({"objects": {"things": {**MINIMAL["objects"]["things"], "columns": {"Id": "id"}}}}, "snake_case"),  # type: ignore[index]
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_source(written(tmp_path, **changes), {})


def test_a_folder_without_sources_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="scaffold webhook"):
        load_sources(tmp_path, {})


def test_places_name_headers_the_body_or_the_object_and_may_have_alternatives() -> None:
    assert parse_places("header:a-b|body:c.d|e?").choices == (
        Place("header", ("a-b",)),
        Place("body", ("c", "d")),
        Place("data", ("e",)),
    )
    assert parse_places("a?").optional
    assert not parse_places("a").optional


def test_no_signature_header_is_kept_with_a_delivery(sources: dict[str, SourceConfig]) -> None:
    for source in sources.values():
        assert not [name for name in source.kept_headers if "signature" in name or "hmac" in name]


def test_a_header_that_a_rule_asks_for_is_kept_with_a_delivery(tmp_path: Path) -> None:
    rule = {"op": "u", "where": {"header:x-live|header:x-mode?": "1"}}
    things = {**MINIMAL["objects"]["things"], "accept": [rule]}  # type: ignore[index]
    path = written(tmp_path, quarantine_when={"tests": {"header:x-env": "test"}}, objects={"things": things})

    source = load_source(path, {})

    assert {"x-live", "x-mode", "x-env"} <= set(source.kept_headers)
