"""Why something is in the quarantine: the fixed words of its `reason`, which docs/reference lists.

Only this module makes a `Reason` of a word, and the rules of a source's own file (`quarantine_when`) of theirs.
"""

from typing import NamedTuple, NewType

Reason = NewType("Reason", str)


class Meaning(NamedTuple):
    """One reason as docs/reference lists it."""

    of: str
    meaning: str
    next_step: str


REASONS: dict[Reason, Meaning] = {}


def _reason(word: str, of: str, meaning: str, next_step: str) -> Reason:
    REASONS[Reason(word)] = Meaning(of, meaning, next_step)
    return Reason(word)


NOT_JSON = _reason(
    "not_json",
    "webhooks, polled rows",
    "The body is no JSON in UTF-8, or is nested too deep.",
    "Look at the bytes with `frazil quarantine show ID`, and ask who sent them.",
)
WRONG_SHAPE = _reason(
    "wrong_shape",
    "webhooks",
    "It is JSON, but there is no object where the source's file expects one (for a batch: no array), or no topic.",
    "See that the sender posts to its own source; mend `data`, `batch` or `topic` in the source's file, and replay.",
)
UNKNOWN_TOPIC = _reason(
    "unknown_topic",
    "webhooks",
    "No object of the source's file accepts this topic with this body.",
    "Add the topic to an object's `accept` and replay, or stop the sender from sending it.",
)
NO_KEY = _reason(
    "no_key",
    "webhooks",
    "The object's `key` is missing, empty, or an object or array.",
    "If the id is somewhere else, mend `key` in the source's file, and replay.",
)
NO_TIME = _reason(
    "no_time",
    "webhooks",
    "The object's `updated_at` is missing, so its place in the order is not known.",
    "If the time is somewhere else, mend `updated_at` in the source's file (`a|b` takes the first), and replay.",
)
BAD_TIME = _reason(
    "bad_time",
    "webhooks",
    "The object's `updated_at` is no time in the form that the source's file says, or lies before 1970.",
    "Mend the `format` of `updated_at` in the source's file, and replay.",
)
DELETE_WITH_CONTENT = _reason(
    "delete_with_content",
    "webhooks",
    "A delete that holds more than `bare_deletes` lists: a signed body may have been sent again under another topic.",
    "If the sender's deletes do hold the field, add it to `bare_deletes`, and replay; else leave it.",
)
BAD_VALUE = _reason(
    "bad_value",
    "webhooks, polled rows",
    "A value does not fit its column's type; of webhooks the column's name follows: `bad_value:total_price`.",
    "Give the column another type in the source's file, or mend the value at its source, and replay.",
)
SIGNATURE = _reason(
    "signature",
    "webhooks",
    "A sample of the requests that were refused with 401: the first 16 KiB of what anybody may have sent.",
    "Compare the secret with the sender's. It is never replayed; a sender tries again by itself.",
)
UNKNOWN_SOURCE = _reason(
    "unknown_source",
    "webhooks",
    "The journal holds a delivery of a source that has no file in config/webhooks any more.",
    "Put the file back, and replay.",
)
SPLIT_FAILED = _reason(
    "split_failed",
    "webhooks, polled rows",
    "Reading this body made the program fail; `detail` says how, and the sink's log where.",
    "Please report it with the body; replay with a version that reads it.",
)
UNKNOWN_TABLE = _reason(
    "unknown_table",
    "polled rows, followed tables",
    "Raw has no such table, or config/sources.yaml does not let it be read.",
    "See what config/sources.yaml includes for the source, and replay.",
)
UNREADABLE = _reason(
    "unreadable",
    "followed tables",
    "The message is no change of this table that Debezium writes, or a value does not fit its column.",
    "`detail` says what is wrong; mend the connector or the table, and replay.",
)
CONTRACT = _reason(
    "contract",
    "followed tables",
    "The row does not keep the contract that config/sources.yaml makes for the table's columns.",
    "Let the contract allow what came, and replay.",
)


def bad_value_of(column: str) -> Reason:
    """`bad_value:<column>`: a filter by `bad_value` finds it too."""
    return Reason(f"{BAD_VALUE}:{column}")
