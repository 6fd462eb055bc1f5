"""Processes: several workers, their deaths, orderly ends, TLS, and a second server on the same home."""

import fcntl
import os
import signal
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ingestion.settings import PROJECT_ROOT
from tests.support.webhook_server import FRAZIL, Answer, Server, accounting_problems, running_server

ORDER = b'{"id":1,"updated_at":"2026-01-01T00:00:00Z"}'


def post(server: Server, webhook_id: str) -> Answer:
    return server.post("shopify", ORDER, {"x-shopify-topic": "orders/updated", "x-shopify-webhook-id": webhook_id})


def workers_of(server: Server) -> list[psutil.Process]:
    """The living ones."""
    living = []
    for child in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # it has gone since it was listed
            if child.status() != psutil.STATUS_ZOMBIE:
                living.append(child)
    return living


def wait_for(condition: object, what: str) -> None:
    assert callable(condition)
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.05)


def test_workers_have_a_journal_each_and_are_counted_together(tmp_path: Path) -> None:
    with running_server(tmp_path / "home", "--workers", "2") as server:
        wait_for(lambda: len(list(server.journal_dir.glob("*.counts"))) == 2, "two workers")
        outcomes = [post(server, f"w{number}").outcome for number in range(60)]
        metrics = server.request("GET", "/metrics").body.decode()

    assert outcomes == ["accepted"] * 60
    assert len(server.deliveries()) == 60
    assert 'frazil_webhook_requests_total{source="shopify"} 60.0' in metrics
    assert {path.name for path in server.journal_dir.glob("*.db")} == {"worker-0.db", "worker-1.db"}


def test_a_killed_worker_is_started_again_and_what_it_acknowledged_is_there(tmp_path: Path) -> None:
    with running_server(tmp_path / "home", "--workers", "2") as server:
        wait_for(lambda: len(list(server.journal_dir.glob("*.counts"))) == 2, "two workers")
        accepted = [f"a{number}" for number in range(20) if post(server, f"a{number}").outcome == "accepted"]
        (victim, survivor) = workers_of(server)
        victim.send_signal(signal.SIGKILL)
        wait_for(lambda: len(workers_of(server)) == 2 and victim not in workers_of(server), "a new worker")
        assert survivor in workers_of(server)
        assert post(server, "after").outcome == "accepted"
        repeated = [post(server, webhook_id).outcome for webhook_id in accepted]

    assert set(repeated) <= {"accepted", "repeated"}
    stored = [delivery.delivery_id for delivery in server.deliveries()]
    assert len(set(stored)) == 21
    assert not accounting_problems(server.counts())


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    with running_server(tmp_path / "home", "--workers", "2") as server:
        wait_for(lambda: len(workers_of(server)) == 2, "two workers")
        workers = workers_of(server)
        wait_for(lambda: len(list(server.journal_dir.glob("*.counts"))) == 2, "two workers")

        server.kill()

        wait_for(lambda: not any(worker.is_running() for worker in workers), "the workers' end")


def test_a_second_server_on_the_same_home_says_so_and_ends_with_75(tmp_path: Path) -> None:
    with running_server(tmp_path / "home") as server:
        environment = {**os.environ, "FRAZIL_HOME": str(server.home)}
        for workers in ("1", "2"):
            command = [FRAZIL, "webhooks", "serve", "--port", "0", "--workers", workers]
            second = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

            assert second.returncode == 75
            assert "another server" in second.stderr
        assert post(server, "still here").outcome == "accepted"


def test_a_worker_that_cannot_have_its_journal_for_a_while_is_tried_again_and_the_others_go_on(tmp_path: Path) -> None:
    with running_server(tmp_path / "home", "--workers", "2") as server:
        wait_for(lambda: len(list(server.journal_dir.glob("*.counts"))) == 2, "two workers")
        (victim, survivor) = workers_of(server)
        taken = server.journal_dir / f"worker-{victim.cmdline()[3]}.segments" / "lock"
        victim.send_signal(signal.SIGKILL)
        with taken.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # before the next one is started
            tries: set[int] = set()
            until = time.monotonic() + 60
            while len(tries) < 2:
                assert time.monotonic() < until, "it is not tried again"
                tries |= {child.pid for child in workers_of(server)} - {survivor.pid, victim.pid}
                assert post(server, f"w{time.monotonic()}").outcome == "accepted"
        assert survivor in workers_of(server)
        wait_for(lambda: len(workers_of(server)) == 2, "the worker")


def ended(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A server that must give up by itself."""
    command = [FRAZIL, "webhooks", "serve", "--port", "0", *options]
    environment = {**os.environ, "FRAZIL_HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_journal_that_is_none_ends_the_server_before_it_says_that_it_listens(tmp_path: Path, workers: str) -> None:
    (tmp_path / "home" / "journal").mkdir(parents=True)
    for index in range(2):
        (tmp_path / "home" / "journal" / f"worker-{index}.db").write_text("no database at all" * 100)

    done = ended(tmp_path / "home", "--workers", workers)

    assert done.returncode == 1
    assert "move the file aside" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_bus_that_can_never_be_asked_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    (tmp_path / "webhooks").symlink_to(PROJECT_ROOT / "config" / "webhooks")
    cluster = "{bootstrap: 127.0.0.1:1, security: SSL, ca_file: /no.pem, connect: {url: http://127.0.0.1:1}}"
    (tmp_path / "kafka_clusters.yaml").write_text(f"clusters:\n  default: {cluster}\n")
    monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("FRAZIL_BUS", "kafka")

    done = ended(tmp_path / "home", "--workers", workers)

    assert done.returncode == 2, done.stderr
    assert "kafka_clusters.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_that_has_served_is_tried_again_whatever_it_ended_with(tmp_path: Path) -> None:
    with running_server(tmp_path / "home", "--workers", "2") as server:
        (victim, survivor) = workers_of(server)
        database = server.journal_dir / f"worker-{victim.cmdline()[3]}.db"
        victim.suspend()
        for path in server.journal_dir.glob(f"{database.name}-*"):
            path.unlink()
        database.write_text("no database at all" * 100)
        victim.kill()
        wait_for(lambda: (server.home / "server.log").read_text().count("worker_died") >= 2, "a second try")
        assert post(server, "meanwhile").outcome == "accepted"
        database.unlink()
        wait_for(lambda: len(workers_of(server)) == 2 and survivor in workers_of(server), "the worker")


def test_sigterm_lets_what_waits_be_answered(tmp_path: Path) -> None:
    answers: list[Answer] = []
    refused: list[OSError] = []

    def send_until_refused(server: Server, sender: int) -> None:
        for number in range(100_000):
            try:
                answers.append(post(server, f"{sender}-{number}"))
            except OSError as error:
                refused.append(error)
                return

    with running_server(tmp_path / "home") as server:
        senders = [threading.Thread(target=send_until_refused, args=(server, number)) for number in range(8)]
        for sender in senders:
            sender.start()
        wait_for(lambda: len(answers) > 100, "traffic")
        server.process.terminate()
        assert server.process.wait(timeout=30) == 0
        for sender in senders:
            sender.join()

    assert {answer.outcome for answer in answers} == {"accepted"}
    assert len(server.deliveries()) == len(answers)
    assert not accounting_problems(server.counts())


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return tmp_path / "certificate.pem", tmp_path / "key.pem"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_tls_by_certificate_options(tmp_path: Path, certificate: tuple[Path, Path], workers: str) -> None:
    pem, key = certificate
    options = ("--certificate", str(pem), "--key", str(key), "--workers", workers)
    with running_server(tmp_path / "home", *options) as server:
        trusting = ssl.create_default_context(cafile=pem)
        signed = server.signed("shopify", ORDER, {"x-shopify-topic": "orders/updated", "x-shopify-webhook-id": "tls"})

        assert server.url.startswith("https://")
        answer = server.request("POST", "/webhooks/shopify", signed, ORDER, tls=trusting)
        assert answer.outcome == "accepted"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_certificate_that_is_none_is_named(tmp_path: Path, workers: str) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    tls = ("--certificate", str(tmp_path / "no.pem"), "--key", str(tmp_path / "no.pem"))

    done = ended(tmp_path / "home", *tls, "--workers", workers)

    assert done.returncode == 2, done.stderr
    assert "--certificate" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_source_may_have_its_rate_and_strangers_cannot_use_it_up(tmp_path: Path) -> None:
    with running_server(tmp_path / "home", webhook_requests_per_second=5, webhook_samples_per_minute=0) as server:
        for _ in range(50):
            assert server.request("POST", "/webhooks/shopify", {"x-shopify-hmac-sha256": "no"}, ORDER).status == 401
        answers = [post(server, f"r{number}") for number in range(30)]
        other = server.post("stripe", server.sources["stripe"].example.body_bytes)

    statuses = [answer.status for answer in answers]
    assert statuses[:5] == [200] * 5
    assert 429 in statuses
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status == 429)
    assert other.status == 200
    assert not accounting_problems(server.counts())
