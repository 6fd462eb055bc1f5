"""Connections that stop, hang or come by the thousand do not keep others from being served."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from select import select

import pytest

from tests.support.webhook_server import Server, accounting_problems, running_server

ORDER = b'{"id":1,"updated_at":"2026-01-01T00:00:00Z"}'
PARTS = [
    b"",
    b"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\nx-a: ",
    b"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
    b"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n10\r\n",
]


def unique(name: str) -> dict[str, str]:
    return {"x-shopify-topic": "orders/updated", "x-shopify-webhook-id": name}


def posted(server: Server, body: bytes, name: str) -> bytes:
    """A whole signed request as it goes over the wire."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in server.signed("shopify", body, unique(name)).items())
    return f"POST /webhooks/shopify HTTP/1.1\r\nhost: x\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


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

    answers = [server.post("shopify", ORDER, unique(f"m{number}")) for number in range(50)]

    assert {answer.outcome for answer in answers} == {"accepted"}
    cut = [connection.recv(4096) for connection in hanging]
    assert {answer.split(b"\r\n")[0] for answer in cut} == {b"HTTP/1.1 408 Request Timeout"}
    assert {connection.recv(1) for connection in hanging} == {b""}
    grown = {key: value - before[key] for key, value in server.all_counts().items() if value != before[key]}
    assert {key.labels[-1]: value for key, value in grown.items() if "cut" in key.name} == {"headers": 500, "body": 500}
    assert {key.labels[-1]: value for key, value in grown.items() if "refused" in key.labels} == {"deadline": 500}


def test_bodies_in_arrival_have_a_common_room_and_the_oldest_make_way(tmp_path: Path) -> None:
    room, size = 1 << 20, 200 * 1024
    body = ORDER[:-1] + b',"note":"' + b"x" * size + b'"}'
    with ExitStack() as stack:
        server = stack.enter_context(
            running_server(tmp_path / "home", webhook_arriving_bytes=room, webhook_body_bytes=room)
        )
        connections = []
        for number in range(20):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            connection.sendall(posted(server, body, f"slow-{number}")[:-1])
            connections.append(connection)
        until = time.monotonic() + 60
        while server.counts().get(("shopify", "refused", "crowded"), 0) < 15 and time.monotonic() < until:
            time.sleep(0.05)

        at_once = server.post("shopify", ORDER, unique("at-once"))
        crowded_out = [connection for connection in connections if select([connection], [], [], 0)[0]]
        for connection in connections:
            connection.sendall(body[-1:])
        answers = [received_until(connection, b"\r\n\r\n") for connection in connections]

        assert at_once.outcome == "accepted"
        assert len(crowded_out) == 15  # five of 200 KiB fit into the room
        lines = Counter(answer.split(b"\r\n")[0] for answer in answers)
        assert lines == {b"HTTP/1.1 503 Service Unavailable": 15, b"HTTP/1.1 200 OK": 5}
        assert all((b"retry-after: 5" in answer) == (b" 503 " in answer) for answer in answers)
        assert not accounting_problems(server.counts())


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
    post = posted(server, ORDER, "pipelined")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(post * 3 + b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece

    outcomes = [line.split(b": ")[1] for line in answer.split(b"\r\n") if line.startswith(b"x-frazil-outcome")]
    assert outcomes == [b"accepted", b"repeated", b"repeated"]
    assert answer.endswith(b'{"status":"ok"}')


def test_thousands_of_requests_behind_one_that_waits_are_all_answered(server: Server) -> None:
    post = posted(server, ORDER, "first")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(post + b"GET /webhooks/x HTTP/1.1\r\n\r\n" * 5_000)
        answer = b""
        while answer.count(b" 404 ") < 5_000 and (piece := connection.recv(65_536)):
            answer += piece

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b" 404 ") == 5_000


def chunked(server: Server, name: str, trailers: bytes) -> bytes:
    """The same as `posted`, in one chunk, with trailers behind it."""
    head, _, body = posted(server, ORDER, name).partition(b"\r\n\r\n")
    head = head.rpartition(b"\r\n")[0] + b"\r\ntransfer-encoding: chunked"
    return head + b"\r\n\r\n%x\r\n%s\r\n0\r\n%s" % (len(body), body, trailers)


def is_cut_at_once(server: Server, request: bytes) -> bool:
    """Before the deadline for bodies."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as connection:
        try:
            connection.sendall(request)
            while connection.recv(65_536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
    return True


def test_trailers_are_no_part_of_a_request_and_have_an_end(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(chunked(server, "trailers", b"x-shopify-hmac-sha256: no\r\n\r\n"))
        answer = received_until(connection, b"\r\n\r\n")
    many = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 8_000) for number in range(500))

    assert b"x-frazil-outcome: accepted" in answer
    assert is_cut_at_once(server, chunked(server, "many", many))
    assert is_cut_at_once(server, chunked(server, "one", b"x: " + b"y" * len(many)))
    assert is_cut_at_once(server, chunked(server, "nobody", many).replace(b"/shopify", b"/nobody", 1))
    assert not accounting_problems(server.counts())


def test_who_does_not_read_answers_is_not_read_from(server: Server) -> None:
    request = b"GET /webhooks/x HTTP/1.1\r\n\r\n"
    block, most = request * 1_000, 32 << 20
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.settimeout(1)
        sent = 0
        with suppress(TimeoutError):
            while sent < most:
                sent += connection.send(block[sent % len(block) :])
        connection.settimeout(30)
        answers, last = 0, b""
        while answers < sent // len(request):
            piece = connection.recv(1 << 20)
            assert piece, "cut"
            answers += (last + piece).count(b" 404 ")
            last = piece[-4:]

    assert sent < most
