"""Starting, finding again and ending a server, whatever happened to it meanwhile."""

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest

from ingestion.errors import PermanentError, UsageError
from ingestion.stack import Facts, Server
from ingestion.stack.connect import connect_mariadb, connect_postgres
from ingestion.stack.process import Identity
from tests.support.databases import server_in


def execute(facts: Facts, *statements: str) -> list[tuple[object, ...]]:
    """The last statement's rows."""
    connection = connect_postgres(facts) if facts.scheme == "postgresql" else connect_mariadb(facts)
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def pid_of(server: Server) -> int:
    found = server.status().pid
    assert found is not None
    return found


def test_up_twice_is_one_server(started: Server) -> None:
    first = pid_of(started)

    facts = started.up()

    assert pid_of(started) == first
    assert execute(facts, "select 1") == [(1,)]


def test_two_that_start_it_at_once_get_the_same_server(stopped: Server) -> None:
    found: list[Facts] = []
    others = [server_in(stopped.places.state, stopped.part.name) for _ in range(3)]
    threads = [threading.Thread(target=lambda one=one: found.append(one.up())) for one in others]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 3
    assert len(set(found)) == 1


def test_what_it_holds_survives_down_and_up(started: Server) -> None:
    before = started.facts()
    execute(before, "create database kept", "select 1")

    assert started.down()
    assert started.status().state == "stopped"
    after = started.up()

    assert after == before
    assert execute(after.of("kept"), "select 1") == [(1,)]


def test_down_of_a_server_that_does_not_run_changes_nothing(stopped: Server) -> None:
    assert not stopped.down()
    assert stopped.status().state == "absent"


def test_a_killed_server_is_seen_and_started_again_with_its_data(started: Server) -> None:
    execute(started.facts(), "create database kept", "select 1")
    process = psutil.Process(pid_of(started))
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)

    assert started.status().state == "stopped"
    with pytest.raises(UsageError, match=f"frazil stack up {started.part.name}"):
        started.facts()
    facts = started.up()

    assert execute(facts.of("kept"), "select 1") == [(1,)]


def test_a_stale_pid_file_is_neither_believed_nor_acted_on(started: Server) -> None:
    started.down()
    path = started.folder / "state.json"
    own = Identity.of(os.getpid())
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": own.pid, "ticks": own.ticks - 1}))

    assert started.status().state == "stopped"
    assert not started.down()
    assert own.is_running()
    assert started.up()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "many"}'])
def test_a_damaged_pid_file_is_as_none(started: Server, content: str) -> None:
    started.down()
    (started.folder / "state.json").write_text(content)

    assert not started.down()
    assert execute(started.up(), "select 1") == [(1,)]


def test_a_port_that_is_taken_is_refused_and_its_holder_named(state: Path, stopped: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]

        with pytest.raises(UsageError, match=rf"port {port} .* taken by process {os.getpid()} "):
            server_in(state, stopped.part.name, port).up()

    assert server_in(state, stopped.part.name, port).up().port == port


def test_another_port_is_taken_when_the_last_one_is_gone(started: Server) -> None:
    port = started.facts().port
    started.down()

    with socket.create_server(("127.0.0.1", port)):
        facts = started.up()

    assert facts.port != port
    assert execute(facts, "select 1") == [(1,)]


def test_another_port_for_a_running_server_is_refused(state: Path, started: Server) -> None:
    other = server_in(state, started.part.name, 1)

    with pytest.raises(UsageError, match=f"already runs on port {started.facts().port}, not on 1"):
        other.up()


@pytest.mark.parametrize(
    ("name", "damaged", "words"),
    [("postgres", "postgresql.conf", "nonsense"), ("mariadb", "ibdata1", "ibdata1|InnoDB")],
)
def test_a_server_that_does_not_start_shows_the_end_of_its_log(
    state: Path, name: str, damaged: str, words: str
) -> None:
    server = server_in(state, name)
    server.up()
    server.down()
    with (server.folder / "data" / "cluster" / damaged).open("r+b") as file:
        file.truncate(10)
        file.seek(0, os.SEEK_END)
        file.write(b"\nnonsense = 1\n")

    with pytest.raises(PermanentError, match=words) as caught:
        server.up()

    assert str(server.log_file) in str(caught.value)
    assert "was made by" not in str(caught.value)
    assert server.status().state == "stopped"
    (server.folder / "made-by").write_text("Older 1.0")
    with pytest.raises(PermanentError, match=f"was made by Older 1.0; .* `frazil stack down {name} --remove`"):
        server.up()


def test_a_creation_that_was_cut_short_is_begun_again(stopped: Server) -> None:
    (stopped.folder / "data.new" / "cluster").mkdir(parents=True)
    (stopped.folder / "data.new" / "cluster" / "torn").write_text("half")

    facts = stopped.up()

    assert execute(facts, "select 1") == [(1,)]
    assert not list(stopped.folder.rglob("torn"))


def test_it_listens_on_loopback_alone_and_never_as_root(started: Server) -> None:
    process = psutil.Process(pid_of(started))

    listening = [one for one in process.net_connections() if one.status == psutil.CONN_LISTEN]

    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}
    assert process.uids().real != 0


def test_the_password_is_in_one_private_file_alone(started: Server) -> None:
    facts = started.facts()
    process = psutil.Process(pid_of(started))

    holding = [path for path in started.folder.rglob("*") if path.is_file() and facts.password in _text(path)]

    assert [path.name for path in holding] == ["password"]
    assert holding[0].stat().st_mode & 0o777 == 0o600
    assert facts.password not in " ".join(process.cmdline()) + str(process.environ()) + repr(facts) + facts.url


def test_remove_forgets_data_and_password(started: Server) -> None:
    first = started.facts()
    execute(first, "create database kept", "select 1")

    started.remove()
    second = started.up()

    assert second.password != first.password
    with pytest.raises(Exception, match="kept"):
        execute(second.of("kept"), "select 1")


def test_a_process_number_used_again_is_another_process() -> None:
    mine = Identity.of(os.getpid())

    assert mine.is_running()
    assert not Identity(mine.pid, mine.ticks + 1, mine.boot).is_running()
    assert not Identity(mine.pid, mine.ticks, "another boot").is_running()


def test_a_zombie_is_not_running() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    time.sleep(0.2)

    with pytest.raises(ProcessLookupError):
        Identity.of(child)
    os.waitpid(child, 0)


def _text(path: Path) -> str:
    return path.read_bytes().decode("latin-1")
