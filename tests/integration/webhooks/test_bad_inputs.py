"""Each bad input of the table in docs/operate, against the real server: its answer, its count, and what is kept."""

import gzip
import json
import socket
import time

import pytest

from tests.support.webhook_server import Answer, Server, accounting_problems

ORDER = b'{"id":1,"updated_at":"2026-01-01T00:00:00Z"}'
TOPIC = {"x-shopify-topic": "orders/updated", "x-shopify-shop-domain": "a.myshopify.com"}


def unique(server: Server, name: str) -> dict[str, str]:
    return {**TOPIC, "x-shopify-webhook-id": name}


def refused(answer: Answer, status: int) -> None:
    assert (answer.status, answer.body, answer.outcome) == (status, b"", "refused")
    assert answer.headers["x-correlation-id"]


def test_a_wrong_signature_is_refused_without_detail(server: Server) -> None:
    signed = server.signed("shopify", ORDER, unique(server, "w"))

    refused(server.request("POST", "/webhooks/shopify", signed, ORDER + b" "), 401)
    refused(server.request("POST", "/webhooks/shopify", {**signed, "x-shopify-hmac-sha256": "é"}, ORDER), 401)
    refused(server.request("POST", "/webhooks/shopify", unique(server, "w"), ORDER), 401)


@pytest.mark.parametrize("source", ["acme", "hubspot", "shopify", "stripe"])
def test_a_doubled_signature_header_is_refused_even_if_both_are_right(server: Server, source: str) -> None:
    body = server.sources[source].example.body_bytes
    signed = server.signed(source, body)
    own = server.sources[source].example.headers
    extra = [name for name in signed if (name not in own and "signature" in name) or "hmac" in name]
    assert extra

    for name in extra:
        doubled = [*signed.items(), (name, signed[name])]
        refused(server.request("POST", f"/webhooks/{source}", doubled, body), 401)


@pytest.mark.parametrize("source", ["acme", "hubspot", "stripe"])
@pytest.mark.parametrize("distance", [-301, 302])
def test_a_stale_or_future_time_is_refused(server: Server, source: str, distance: int) -> None:
    body = server.sources[source].example.body_bytes

    refused(server.post(source, body, now=time.time() + distance), 401)


def test_unknown_sources_and_methods_are_refused(server: Server) -> None:
    refused(server.request("POST", "/webhooks/nobody", {}, b"{}"), 404)
    refused(server.request("POST", "/webhooks/shopify/", {}, b"{}"), 404)
    assert server.request("GET", "/").status == 404
    for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS"):
        answer = server.request(method, "/webhooks/shopify")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_a_large_body_is_refused_by_its_announced_length(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\ncontent-length: 10485760\r\n\r\n{")

        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_large_body_is_refused_while_it_streams(server: Server) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(5):
            connection.sendall(chunk)

        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_just_within_the_limit_is_taken_in_any_transfer(server: Server) -> None:
    body = b'{"id":1,"updated_at":"2026-01-01T00:00:00Z","x":"' + b"x" * (256 * 1024 - 51) + b'"}'
    assert len(body) == 256 * 1024
    head = {**server.signed("shopify", body, unique(server, "just")), "host": "x", "transfer-encoding": "chunked"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())

    assert server.post("shopify", body, unique(server, "just-plain")).outcome == "accepted"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"POST /webhooks/shopify HTTP/1.1\r\n{lines}\r\n".encode())
        for start in range(0, len(body), 1_000):
            piece = body[start : start + 1_000]
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")

        assert b"x-frazil-outcome: accepted" in connection.recv(4096)
    assert body in [delivery.body for delivery in server.deliveries()]


def test_an_encoded_body_is_refused(server: Server) -> None:
    body = gzip.compress(ORDER)
    signed = server.signed("shopify", body, unique(server, "gzip"))

    for encoding in ("gzip", "br", "deflate, gzip", ""):
        refused(server.request("POST", "/webhooks/shopify", {**signed, "content-encoding": encoding}, body), 415)


@pytest.mark.parametrize("encoding", ["identity", "Identity", "IDENTITY "])
def test_a_body_that_is_said_to_be_as_it_is_is_taken(server: Server, encoding: str) -> None:
    signed = server.signed("shopify", ORDER, unique(server, f"as it is {encoding}"))

    answer = server.request("POST", "/webhooks/shopify", {**signed, "content-encoding": encoding}, ORDER)

    assert answer.outcome == "accepted"


@pytest.mark.parametrize("source", ["acme", "hubspot", "shopify", "stripe"])
def test_blanks_around_a_headers_value_are_not_part_of_it(server: Server, source: str) -> None:
    body = server.sources[source].example.body_bytes
    signed = server.signed(source, body)
    blank = {name: f" \t{value} \t" for name, value in signed.items()}

    answers = [server.request("POST", f"/webhooks/{source}", headers, body) for headers in (blank, signed)]
    wrong = {name: value + "x \t" for name, value in signed.items()}

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].outcome == "repeated"
    refused(server.request("POST", f"/webhooks/{source}", wrong, body), 401)


def test_two_deliveries_with_an_empty_id_are_both_stored(server: Server) -> None:
    other = ORDER.replace(b'"id":1', b'"id":2')

    answers = [server.post("shopify", body, unique(server, "")).outcome for body in (ORDER, other, other)]

    assert answers == ["accepted", "accepted", "repeated"]


@pytest.mark.parametrize(
    ("source", "headers", "body", "reason"),
    [
        ("shopify", TOPIC, b"", "not_json"),
        ("shopify", TOPIC, b"{", "not_json"),
        ("shopify", TOPIC, b"\xef\xbb\xbf" + ORDER, "not_json"),
        ("shopify", TOPIC, gzip.compress(ORDER), "not_json"),
        ("shopify", TOPIC, b'{"id":1,"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "not_json"),
        ("shopify", TOPIC, b"[1]", "wrong_shape"),
        ("shopify", TOPIC, b'{"updated_at":"2026-01-01T00:00:00Z"}', "no_key"),
        ("shopify", TOPIC, b'{"id":1}', "no_time"),
        ("shopify", {"x-shopify-topic": "orders/delete"}, ORDER, "delete_with_content"),
        ("shopify", {"x-shopify-topic": "carts/update"}, ORDER, "unknown_topic"),
        ("shopify", {}, ORDER, "wrong_shape"),
        ("hubspot", {}, b"{}", "wrong_shape"),
        ("stripe", {}, b'{"id":"evt_2","object":"v2.core.event","type":"v1.billing.meter"}', "thin_event"),
        ("stripe", {}, b'{"id":"e","type":"plan.created","data":{"object":{"object":"plan"}}}', "unknown_topic"),
        ("acme", {}, b'{"type":"ticket.created","timestamp":"2026-01-01T00:00:00Z","data":{}}', "no_key"),
    ],
)
def test_a_signed_body_that_cannot_be_used_is_answered_200_and_kept_with_its_reason(
    server: Server, source: str, headers: dict[str, str], body: bytes, reason: str
) -> None:
    answer = server.post(source, body, headers)

    assert (answer.status, answer.outcome) == (200, "quarantined")
    assert reason in [delivery.reason for delivery in server.deliveries() if delivery.body == body]


def test_hubspot_batches_are_taken_whole_and_empty_ones_are_fine(server: Server) -> None:
    body = json.dumps([{"portalId": 1}, 7]).encode()

    assert server.post("hubspot", body).outcome == "accepted"
    assert server.post("hubspot", b"[]").status == 200
    assert [delivery.reason for delivery in server.deliveries() if delivery.body == body] == [None]


def test_a_repeat_is_answered_200_and_stored_once(server: Server) -> None:
    answers = [server.post("shopify", ORDER, unique(server, "twice")).outcome for _ in range(3)]

    assert answers == ["accepted", "repeated", "repeated"]
    kept = [d for d in server.deliveries() if b'"twice"' in d.headers]
    assert len(kept) == 1


def test_a_sane_correlation_id_is_kept_and_any_other_replaced(server: Server) -> None:
    def answered(given: str) -> str:
        signed = server.signed("shopify", ORDER, unique(server, "correlated"))
        return server.request("POST", "/webhooks/shopify", {**signed, "x-correlation-id": given}, ORDER).headers[
            "x-correlation-id"
        ]

    assert answered("order-17:a.b_c") == "order-17:a.b_c"
    assert answered("x" * 65) != "x" * 65
    assert answered('"quoted"') != '"quoted"'


def test_wrong_signatures_leave_a_bounded_sample(server: Server) -> None:
    for number in range(20):
        refused(server.request("POST", "/webhooks/stripe", {"stripe-signature": f"t={number}"}, b"{}"), 401)

    samples = [delivery for delivery in server.deliveries() if delivery.reason == "signature"]
    assert 1 <= len(samples) < 10  # three at once, and one more every 20 seconds


def test_http_that_is_none_is_answered_400(server: Server) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00" * 20 + b"\r\n\r\n", b"POST / HTTP/1.1\r\nhost x\r\n\r\n", b"POST\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(garbage)
            assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_headers_without_end_are_refused(server: Server) -> None:
    lines = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1_000) for number in range(130))

    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /webhooks/shopify HTTP/1.1\r\n" + lines)  # just above the limit of 128 KiB
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_sender_that_goes_on_with_headers_is_cut_off(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /webhooks/shopify HTTP/1.1\r\n")

        endless = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1_000) for number in range(50_000))

        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            connection.sendall(endless)


def test_no_secret_is_in_the_log(server: Server) -> None:
    log = (server.home / "server.log").read_text()

    assert '"webhook_refused"' in log
    for source in server.sources.values():
        assert not any(secret.get_secret_value() in log for secret in source.secrets)


def test_every_request_is_accounted_for_under_its_source_and_its_outcome(server: Server) -> None:
    before = server.counts()

    server.post("shopify", ORDER, unique(server, "counted"))
    server.post("shopify", ORDER, unique(server, "counted"))
    server.post("shopify", ORDER, {**unique(server, "deleted"), "x-shopify-topic": "orders/delete"})
    server.request("POST", "/webhooks/shopify", {}, ORDER)
    server.request("PUT", "/webhooks/stripe")
    server.request("POST", "/webhooks/nobody")

    after = server.counts()
    assert not accounting_problems(after)
    assert {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)} == {
        ("shopify",): 4,
        ("shopify", "accepted", ""): 1,
        ("shopify", "repeated", ""): 1,
        ("shopify", "quarantined", "delete_with_content"): 1,
        ("shopify", "refused", "signature"): 1,
        ("stripe",): 1,
        ("stripe", "refused", "method"): 1,
        ("unknown",): 1,
        ("unknown", "refused", "source"): 1,
    }
