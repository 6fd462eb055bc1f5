"""Everything the server answers, with what it means and what to do about it, as docs/reference lists it."""

from typing import NamedTuple


class Answer(NamedTuple):
    """A status line and headers without the end of the headers; there is no body."""

    status: int
    head: bytes


class Kind(NamedTuple):
    """One kind of answer; `status` is None where the sender gets none, `headers` are lines of its own."""

    status: int | None
    phrase: str
    meaning: str
    next_step: str
    headers: str = ""


_AGAIN = "retry-after: 5\r\n"

STORED = {
    "accepted": Kind(200, "OK", "The delivery is on disk.", "Nothing."),
    "repeated": Kind(200, "OK", "It came before, and is on disk since then.", "Nothing."),
    "quarantined": Kind(
        200,
        "OK",
        "It is on disk, and cannot become a row.",
        "`frazil quarantine list` shows it with its reason, below.",
    ),
}
REFUSED = {
    "signature": Kind(
        401,
        "Unauthorized",
        "The signature is missing, wrong, too old, or stands there twice; or the source has no secret.",
        "Compare secret and clock with the sender's, and `FRAZIL_PUBLIC_BASE_URL` where the URL is signed.",
    ),
    "source": Kind(404, "Not Found", "config/webhooks has no such source.", "Mend the URL at the sender."),
    "method": Kind(405, "Method Not Allowed", "The request is no POST.", "Mend it at the sender.", "allow: POST\r\n"),
    "size": Kind(
        413,
        "Content Too Large",
        "The body is larger than `FRAZIL_WEBHOOK_BODY_BYTES`.",
        "Raise it if the source really sends such bodies.",
    ),
    "encoding": Kind(
        415,
        "Unsupported Media Type",
        "The body is compressed (`content-encoding`): signatures cover the plain bytes.",
        "Let the sender, or the proxy in front, send it as it is.",
    ),
    "deadline": Kind(
        408,
        "Request Timeout",
        "The body did not arrive within `FRAZIL_WEBHOOK_BODY_SECONDS`.",
        "Nothing for a few; else look at the network, and at the proxy in front.",
        "connection: close\r\n",
    ),
    "disconnected": Kind(None, "", "The sender went away before its body had arrived.", "Nothing: it tries again."),
    "rate": Kind(
        429,
        "Too Many Requests",
        "More requests than `requests_per_second` of the source's file, or `FRAZIL_WEBHOOK_REQUESTS_PER_SECOND`.",
        "Nothing: `retry-after` says when to try again. Raise the limit if the load is meant.",
    ),
    "unavailable": Kind(
        503,
        "Service Unavailable",
        "Nothing can be stored now: disk below its floor, queue at its ceiling, or the journal cannot be written.",
        "`/readyz` says which: make room, or start the sink. Senders try again by themselves.",
        _AGAIN,
    ),
    "crowded": Kind(
        503,
        "Service Unavailable",
        "All bodies that are arriving take more than `FRAZIL_WEBHOOK_ARRIVING_BYTES`, and this was the oldest.",
        "A proxy that reads whole bodies first, or more workers.",
        _AGAIN,
    ),
    "died": Kind(None, "", "The worker was killed before it had answered.", "Nothing: the sender tries again."),
}
"""By the `reason` of `frazil_webhook_outcomes_total`."""

LATE_HEADERS = Kind(
    408,
    "Request Timeout",
    "The headers did not arrive within `FRAZIL_WEBHOOK_HEADER_SECONDS`.",
    "Nothing for a few: strangers hold connections open.",
)
LARGE_HEADERS = Kind(
    431,
    "Request Header Fields Too Large",
    "The headers, or trailers, take more than 128 KiB.",
    "Mend it at the sender, or in the proxy in front.",
)
UNCOUNTED = (
    Kind(400, "Bad Request", "It is no HTTP.", "If it is TLS: give `--certificate`, or let a proxy end TLS."),
    LATE_HEADERS,
    LARGE_HEADERS,
    Kind(
        503, "Service Unavailable", "From `/readyz` alone: `problem` says why nothing can be stored now.", "As above."
    ),
)
"""Answers to requests of which no source is known: they are no outcome of one."""


def stored(outcome: str) -> Answer:
    """The answer to a delivery that is on disk."""
    return _answer(STORED[outcome], outcome)


def refused(reason: str, headers: str = "") -> Answer:
    """`headers` are further lines, each with its end. Only for reasons that have a status."""
    return _answer(REFUSED[reason], "refused", headers)


def _answer(kind: Kind, outcome: str, headers: str = "") -> Answer:
    assert kind.status is not None
    status = f"HTTP/1.1 {kind.status} {kind.phrase}\r\n"
    head = f"{status}content-length: 0\r\nx-frazil-outcome: {outcome}\r\n{kind.headers}{headers}"
    return Answer(kind.status, head.encode())


def last_words(kind: Kind) -> bytes:
    """A whole answer to a request that is not whole; the connection ends with it."""
    return f"HTTP/1.1 {kind.status} {kind.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
