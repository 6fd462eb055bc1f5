"""A real full disk (a small tmpfs), and the floor and ceiling before it: refused with 503, nothing lost, no crash."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.webhooks.journal import Delivery, Journal
from tests.support.webhook_server import FRAZIL, Server, accounting_problems, running_server

FILLER = b"x" * 200_000
TOPIC = {"x-shopify-topic": "orders/updated", "x-shopify-shop-domain": "a.myshopify.com"}


def post(server: Server, number: int, size: int = len(FILLER)) -> int:
    body = b'{"id":%d,"updated_at":"2026-01-01T00:00:00Z","filler":"%s"}' % (number, FILLER[:size])
    answer = server.post("shopify", body, {**TOPIC, "x-shopify-webhook-id": f"w-{number}"})
    if answer.status == 503:
        assert int(answer.headers["retry-after"]) >= 1
    return answer.status


def wait_ready(server: Server, status: int) -> None:
    until = time.monotonic() + 30
    while server.request("GET", "/readyz").status != status:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """48 MB of its own. Needs root, or the right to make a user namespace."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=48m", "frazil-test", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["/bin/umount", "-l", str(folder)], check=True)


def test_a_disk_that_runs_full_loses_nothing_and_is_used_again_when_there_is_room(small_disk: Path) -> None:
    with running_server(small_disk / "home", disk_floor_bytes=0) as server:
        statuses = {number: post(server, number) for number in range(300)}
        accepted = {number for number, status in statuses.items() if status == 200}
        assert set(statuses.values()) == {200, 503}
        assert server.process.poll() is None
        assert server.request("GET", "/healthz").status == 200
        assert server.request("GET", "/metrics").status == 200
        assert len(server.deliveries()) == len(accepted)

        drained = free_the_journal(server)
        retried = {number: post(server, number, size=10) for number in sorted(statuses)}

        assert set(retried.values()) == {200}
        everything = drained + server.deliveries()
        assert len(everything) == len({delivery.delivery_id for delivery in everything}) == 300
        assert not accounting_problems(server.counts())


def fill(folder: Path) -> None:
    """To the last byte."""
    descriptor = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(descriptor, b"x" * 4_096):
            pass
    os.close(descriptor)


def free_the_journal(server: Server) -> list[Delivery]:
    """What a sink does: read all, then let it go."""
    drained: list[Delivery] = []
    with Journal.open(server.journal_dir / "worker-0.db") as journal:
        after = 0
        while entries := journal.read(after, 1_000, 1 << 24):
            drained += [entry.delivery for entry in entries]
            after = entries[-1].seq
        journal.delete_through(after)
    return drained


def test_a_server_killed_on_a_full_disk_starts_again_with_all_it_acknowledged(small_disk: Path) -> None:
    with running_server(small_disk / "home", disk_floor_bytes=0) as server:
        accepted = sum(post(server, number) == 200 for number in range(300))
        server.kill()

    with running_server(small_disk / "home", disk_floor_bytes=0) as server:
        repeated = [post(server, number) for number in range(accepted)]

        assert set(repeated) == {200}
        assert len(server.deliveries()) == accepted


def test_a_server_that_cannot_open_its_journal_says_why_and_ends_with_75(small_disk: Path) -> None:
    (small_disk / "home").mkdir()
    fill(small_disk)

    environment = {**os.environ, "FRAZIL_HOME": str(small_disk / "home")}
    command = [FRAZIL, "webhooks", "serve", "--port", "0"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 75, ended.stderr
    assert "disk full" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_below_the_floor_deliveries_are_refused_until_there_is_room(small_disk: Path) -> None:
    with running_server(small_disk / "home", disk_floor_bytes=20 * 1024 * 1024) as server:
        assert post(server, 1) == 200
        (small_disk / "ballast").write_bytes(os.urandom(16 * 1024 * 1024))
        wait_ready(server, 503)
        assert post(server, 2) == 503
        assert server.request("POST", "/webhooks/shopify", TOPIC, b"{}").status == 401
        (small_disk / "ballast").unlink()
        wait_ready(server, 200)
        assert post(server, 2) == 200
        assert [d.reason for d in server.deliveries()] == [None, None]


def test_at_the_ceiling_deliveries_are_refused_until_the_sink_has_read(tmp_path: Path) -> None:
    with running_server(tmp_path / "home", queue_ceiling=5) as server:
        for number in range(5):
            assert post(server, number, size=10) == 200
        wait_ready(server, 503)
        assert post(server, 6, size=10) == 503

        free_the_journal(server)

        wait_ready(server, 200)
        assert post(server, 6, size=10) == 200
        metrics = server.request("GET", "/metrics").body.decode()
        assert 'frazil_journal_ready{worker="worker-0"} 1.0' in metrics


def test_a_journal_file_that_cannot_be_made_refuses_deliveries_and_keeps_the_server_up(tmp_path: Path) -> None:
    with running_server(tmp_path / "home", wrapper=("prlimit", f"--fsize={8 * 1024 * 1024}")) as server:
        assert [post(server, number) for number in range(3)] == [503, 503, 503]
        assert server.request("GET", "/healthz").status == 200
        assert server.request("GET", "/readyz").status == 503
        until = time.monotonic() + 30
        while 'frazil_journal_ready{worker="worker-0"} 0.0' not in server.request("GET", "/metrics").body.decode():
            assert time.monotonic() < until
            time.sleep(0.05)
        assert server.counts()["shopify", "refused", "unavailable"] == 3

    with running_server(tmp_path / "home") as server:
        assert [post(server, number) for number in range(3)] == [200, 200, 200]
        assert server.request("GET", "/readyz").status == 200
        assert len(server.deliveries()) == 3
