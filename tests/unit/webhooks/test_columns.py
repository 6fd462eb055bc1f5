"""Column types: the fast reader is only fast, it never means something else than the exact one."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestion.webhooks.columns import TYPES, BadValueError, epoch_time, iso_time
from ingestion.webhooks.shape import ABSENT, Shape

MONEY = st.from_regex(r"-?[0-9]{0,18}(\.[0-9]{0,45})?\n?", fullmatch=True)
TIMES = st.from_regex(
    r"[0-9]{4}-(0[0-9]|1[0-3])-[0-3][0-9][T ]([01][0-9]|2[0-4]):[0-6][0-9](:[0-6][0-9](\.[0-9]{0,10})?)?"
    r"(Z|z|[+-][0-2][0-9]:?[0-6][0-9])?",
    fullmatch=True,
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(),
    MONEY, TIMES, st.lists(st.integers(), max_size=2), st.dictionaries(st.sampled_from(["id", "a"]), st.integers()),
).map(lambda value: json.dumps(value, ensure_ascii=False))  # fmt: skip
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


def fast(name: str, raw: bytes) -> Any:
    kind = TYPES[name]
    shape = Shape([("a",)], [(kind.fast, ABSENT if kind.fast is msgspec.Raw else None)])
    (value,) = shape.read(b'{"a":%s}' % raw)
    return value if kind.finish is None or value is None else kind.finish(value)


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=300, deadline=None)
@given(text=st.one_of(VALUES, NUMBERS))
@example(text='"12.50\\n"')
@example(text='"2026-01-01T10:00:00.1234567-05:00"')
@example(text='"2026-01-01T24:00:00Z"')
@example(text='"0001-01-01T00:00:00+14:00"')
@example(text='"9999-12-31T23:59:59-14:00"')
@example(text="-0")
@example(text="1e3")
@example(text="253402300800")
@example(text="9223372036854775808")
def test_what_the_fast_reader_takes_the_exact_one_reads_alike(name: str, text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    try:
        found = fast(name, raw)
    except (msgspec.ValidationError, BadValueError, OverflowError):
        return  # then the exact reader decides alone
    except msgspec.DecodeError:
        return  # no JSON as msgspec reads it: refused at the door

    assert TYPES[name].exact(raw) == found


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("string", b'"caf\\u00e9 \\ud83d\\ude00"', "café 😀"),
        ("string", b"820982911946154508", "820982911946154508"),
        ("string", b"1.10", "1.10"),
        ("string", b"null", None),
        ("id", b"820982911946154508", "820982911946154508"),
        ("reference", b'{"object":"customer","id":"cus_1"}', "cus_1"),
        ("reference", b'"cus_1"', "cus_1"),
        ("json", b'{"b": 1.10,"a":[1, 2]}', b'{"b": 1.10,"a":[1, 2]}'),
        ("json", b"null", None),
        ("money", b'"-0.05"', "-0.05"),
        ("money", b"403.00", "403.00"),
        ("long", b'"42"', 42),
        ("boolean", b"false", False),
        ("timestamp", b'"2008-01-10T11:00:00-05:00"', 1_199_980_800_000_000),
        ("timestamp_seconds", b"1234567890", 1_234_567_890_000_000),
        ("timestamp_milliseconds", b'"1564113600123"', 1_564_113_600_123_000),
    ],
)
def test_values_keep_what_their_text_says(name: str, raw: bytes, value: object) -> None:
    assert TYPES[name].exact(raw) == value
    assert type(TYPES[name].exact(raw)) is type(value)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("string", b"true"),
        ("string", b"{}"),
        ("id", b'""'),
        ("reference", b'{"object":"customer"}'),
        ("money", b'"1e5"'),
        ("money", b'"12345678901234567"'),
        ("money", b'"1,00"'),
        ("money", b'" 1"'),
        ("money", b'"+1"'),
        ("money", b'""'),
        ("long", b"1.0"),
        ("long", b"9223372036854775808"),
        ("boolean", b'"true"'),
        ("timestamp", b'"2026-01-01"'),
        ("timestamp", b'"2026-01-01T00:00:00"'),
        ("timestamp", b'"9999-12-31T23:59:59-14:00"'),
        ("timestamp", b'"0001-01-01T00:00:00+14:00"'),
        ("timestamp_seconds", b"1.5"),
        ("timestamp_seconds", b"-1"),
        ("timestamp_milliseconds", b"999999999999999999"),
    ],
)
def test_values_that_do_not_fit_are_refused(name: str, raw: bytes) -> None:
    with pytest.raises(BadValueError):
        TYPES[name].exact(raw)


def test_times_are_exact_to_the_microsecond_over_the_whole_calendar() -> None:
    assert iso_time("9999-12-31T23:59:59.999999Z") == epoch_time("253402300799", 1_000_000) + 999_999
    assert iso_time("2026-01-01T10:00:00.000001+10:00") == iso_time("2026-01-01T00:00:00Z") + 1
