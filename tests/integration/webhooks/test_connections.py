"""Connections that stop, hang or come by the thousand do not keep others from being served."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.webhook_server import Server

ORDER = b'{"id":1,"updated_at":"2026-01-01T00:00:00Z"}'
PARTS = [
    b"",
    b"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\nx-a: ",
    b"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
    b"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n10\r\n",
]


def received_until(connection: socket.socket, marker: bytes) -> bytes:
    """All bytes up to the marker, or up to the end of the connection without it."""
    found = b""
    while marker not in found and (piece := connection.recv(65_536)):
        found += piece
    return found if marker in found else b""


@pytest.fixture
def hanging(server: Server) -> Iterator[list[socket.socket]]:
    """A thousand connections that sent nothing, half of their headers, or half of their body."""
    with ExitStack() as stack:
        connections = []
        for number in range(1_000):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            connection.sendall(PARTS[number % len(PARTS)])
            connections.append(connection)
        yield connections


def test_a_thousand_hanging_connections_are_cut_and_others_are_served_meanwhile(
    server: Server, hanging: list[socket.socket]
) -> None:
    before = server.all_counts()
    topic = {"x-shopify-topic": "orders/updated"}

    answers = [server.post("shopify", ORDER, {**topic, "x-shopify-webhook-id": f"m{number}"}) for number in range(50)]

    assert {answer.outcome for answer in answers} == {"accepted"}
    cut = [connection.recv(4096) for connection in hanging]
    assert {answer.split(b"\r\n")[0] for answer in cut} == {b"HTTP/1.1 408 Request Timeout"}
    assert {connection.recv(1) for connection in hanging} == {b""}
    grown = {key: value - before[key] for key, value in server.all_counts().items() if value != before[key]}
    assert {key.labels[-1]: value for key, value in grown.items() if "cut" in key.name} == {"headers": 500, "body": 500}
    assert {key.labels[-1]: value for key, value in grown.items() if "refused" in key.labels} == {"deadline": 500}


def test_a_kept_alive_connection_may_be_idle_but_not_stop_in_its_next_request(server: Server) -> None:
    request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        for _ in range(2):
            connection.sendall(request)
            assert received_until(connection, b'"ok"}')
            time.sleep(3)
        connection.sendall(request[:20])

        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_sender_that_goes_away_in_its_body_is_counted(server: Server) -> None:
    before = server.counts().get(("shopify", "refused", "disconnected"), 0)

    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(PARTS[2])
        time.sleep(0.3)
    until = time.monotonic() + 10
    while server.counts().get(("shopify", "refused", "disconnected"), 0) == before and time.monotonic() < until:
        time.sleep(0.05)

    assert server.counts()["shopify", "refused", "disconnected"] == before + 1


def test_requests_sent_without_waiting_are_answered_in_their_order(server: Server) -> None:
    signed = server.signed("shopify", ORDER, {"x-shopify-topic": "orders/updated", "x-shopify-webhook-id": "pipelined"})
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    post = f"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\n{lines}content-length: {len(ORDER)}\r\n\r\n".encode() + ORDER
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(post * 3 + b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece

    outcomes = [line.split(b": ")[1] for line in answer.split(b"\r\n") if line.startswith(b"x-frazil-outcome")]
    assert outcomes == [b"accepted", b"repeated", b"repeated"]
    assert answer.endswith(b'{"status":"ok"}')


def test_thousands_of_requests_behind_one_that_waits_are_all_answered(server: Server) -> None:
    signed = server.signed("shopify", ORDER, {"x-shopify-topic": "orders/updated", "x-shopify-webhook-id": "first"})
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    post = f"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\n{lines}content-length: {len(ORDER)}\r\n\r\n".encode() + ORDER
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(post + b"GET /webhooks/x HTTP/1.1\r\n\r\n" * 5_000)
        answer = b""
        while answer.count(b" 404 ") < 5_000 and (piece := connection.recv(65_536)):
            answer += piece

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b" 404 ") == 5_000
