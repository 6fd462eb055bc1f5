"""Kafka Connect's REST interface: every call an operator needs, with typed answers and errors."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import requests
import tenacity

from ingestion.cdc.clusters import ConnectAddress
from ingestion.errors import PermanentError, RetryableError, UsageError

State = Literal["UNASSIGNED", "RUNNING", "PAUSED", "STOPPED", "FAILED", "RESTARTING", "DESTROYED"]
_TIMES = (5.0, 60.0)  # seconds to connect, and to wait for an answer: validating asks the database
_PATIENCE = 15.0  # seconds that a worker may be away or rebalancing
_STALE_SECONDS = 4.0
_BUSY = (409, 502, 503, 504)


class ConnectUnreachableError(RetryableError):
    """Kafka Connect does not answer, or is not ready for the call yet."""


class NoConnectorError(UsageError):
    """There is no connector of that name."""


class ConnectRefusedError(PermanentError):
    """Kafka Connect refuses the call; the message is its own."""


@dataclass(frozen=True)
class Plugin:
    """A connector that the workers have."""

    name: str
    kind: str
    version: str


@dataclass(frozen=True)
class Problem:
    """An option that a connector refuses, and why."""

    option: str
    message: str


@dataclass(frozen=True)
class Task:
    """One task; `cause` is the innermost reason of a failure, or empty."""

    number: int
    state: State
    worker: str
    cause: str = ""


@dataclass(frozen=True)
class ConnectorStatus:
    """As the workers last told it; a connector that is STOPPED has no tasks."""

    name: str
    state: State
    worker: str
    tasks: tuple[Task, ...]
    cause: str = ""

    @property
    def is_running(self) -> bool:
        return self.state == "RUNNING" and bool(self.tasks) and all(task.state == "RUNNING" for task in self.tasks)

    @property
    def failure(self) -> str:
        """Why it failed, or empty if it did not."""
        if self.state == "FAILED":
            return self.cause or "no reason given"
        return next((task.cause or "no reason given" for task in self.tasks if task.state == "FAILED"), "")


@dataclass(frozen=True)
class SourceOffset:
    """How far a partition of a source is read; `offset` None forgets it."""

    partition: Mapping[str, Any]
    offset: Mapping[str, Any] | None


class ConnectClient:
    """Calls are repeated while the worker is away or rebalances, where a second call does no harm."""

    def __init__(self, address: ConnectAddress, patience: float = _PATIENCE) -> None:
        self.url = address.url.rstrip("/")
        self._patience = patience
        self._session = requests.Session()
        self._session.verify = str(address.ca_file) if address.ca_file else True
        if address.user:
            self._session.auth = (address.user, address.password.get_secret_value())

    def close(self) -> None:
        self._session.close()

    def plugins(self) -> list[Plugin]:
        """Every connector class the workers have."""
        found = self._call("GET", "/connector-plugins")
        return [Plugin(str(one["class"]), str(one.get("type") or ""), str(one.get("version") or "")) for one in found]

    def validate(self, config: Mapping[str, str]) -> list[Problem]:
        """What the connector's class says of a configuration; it asks the database. Empty: it may be created."""
        kind = config["connector.class"]
        reply = self._call("PUT", f"/connector-plugins/{quote(kind, safe='')}/config/validate", config)
        values = (one.get("value") or {} for one in reply.get("configs") or ())
        return [Problem(str(one.get("name")), str(text)) for one in values for text in one.get("errors") or ()]

    def names(self) -> list[str]:
        self._ready()
        return sorted(self._call("GET", "/connectors"))

    def config(self, name: str) -> dict[str, str]:
        """Passwords among it, unless they are references."""
        return {key: "" if value is None else str(value) for key, value in self._of(name, "GET", "/config").items()}

    def create(self, name: str, config: Mapping[str, str], state: State = "STOPPED") -> None:
        """Make a connector, by default without tasks. One that is there already is an error."""
        body = {"name": name, "config": dict(config), "initial_state": state}

        def make() -> None:
            try:
                self._once("POST", "/connectors", body)
            except ConnectUnreachableError:
                if name not in self.names():  # else the answer was lost, not the call
                    raise

        self._retrying()(make)

    def update(self, name: str, config: Mapping[str, str]) -> None:
        """Replace the configuration, or create the connector; its tasks are started anew."""
        self._of(name, "PUT", "/config", dict(config))

    def status(self, name: str) -> ConnectorStatus:
        """UNASSIGNED, without tasks, while the workers have told nothing of a connector: they answer 404 for a moment
        after it was made."""
        try:
            found = self._of(name, "GET", "/status")
        except NoConnectorError:
            self.config(name)
            return ConnectorStatus(name, "UNASSIGNED", "", ())
        connector = found.get("connector") or {}
        tasks = tuple(
            Task(int(one.get("id") or 0), one.get("state") or "UNASSIGNED", _text(one, "worker_id"), cause(one))
            for one in found.get("tasks") or ()
        )
        state: State = connector.get("state") or "UNASSIGNED"
        return ConnectorStatus(name, state, _text(connector, "worker_id"), tasks, cause(connector))

    def pause(self, name: str) -> None:
        """Tasks stay, and read nothing."""
        self._of(name, "PUT", "/pause")

    def resume(self, name: str) -> None:
        self._of(name, "PUT", "/resume")

    def stop(self, name: str) -> None:
        """Tasks end; offsets may be changed."""
        self._of(name, "PUT", "/stop")

    def restart(self, name: str, *, only_failed: bool = False) -> None:
        """The connector and its tasks."""
        self._of(name, "POST", f"/restart?includeTasks=true&onlyFailed={str(only_failed).lower()}")

    def delete(self, name: str) -> None:
        """Its offsets stay with Connect and count again for a connector of the same name.

        Returns when the worker tells nothing of it any more, which is a moment after its own answer.
        """
        self.config(name)
        with suppress(NoConnectorError):  # the answer to an earlier try was lost
            self._of(name, "DELETE", "")
        begun = time.monotonic()
        with suppress(NoConnectorError):
            while time.monotonic() - begun < _STALE_SECONDS:
                self.status(name)
                time.sleep(0.1)

    def offsets(self, name: str) -> list[SourceOffset]:
        found = self._of(name, "GET", "/offsets").get("offsets") or ()
        return [SourceOffset(one.get("partition") or {}, one.get("offset")) for one in found]

    def set_offsets(self, name: str, offsets: Sequence[SourceOffset]) -> None:
        """The connector must be STOPPED."""
        body = {"offsets": [{"partition": dict(one.partition), "offset": one.offset} for one in offsets]}
        self._of(name, "PATCH", "/offsets", body)

    def reset_offsets(self, name: str) -> None:
        """Forget how far it has read. The connector must be STOPPED."""
        self._of(name, "DELETE", "/offsets")

    def topics(self, name: str) -> list[str]:
        """Those it has written to since it was made or they were reset."""
        return sorted((self._of(name, "GET", "/topics").get(name) or {}).get("topics") or ())

    def reset_topics(self, name: str) -> None:
        self._of(name, "PUT", "/topics/reset")

    def wait(self, name: str, state: State, seconds: float = 60) -> ConnectorStatus:
        """Until the connector, and for RUNNING its tasks, are in the state, or have failed; as it is then.

        A failure counts once it has lasted: what is told just after a restart is that of before.
        """
        begun = time.monotonic()
        while True:
            waited = time.monotonic() - begun
            try:
                found = self.status(name)
            except NoConnectorError:  # another worker may have made it
                if waited > _STALE_SECONDS:
                    raise
            else:
                failed = bool(found.failure) and waited > _STALE_SECONDS
                if failed or _is_settled(found, state) or waited > seconds:
                    return found
            time.sleep(0.3)

    def _of(self, name: str, method: str, path: str, body: Any = None) -> Any:
        where = f"/connectors/{quote(name, safe='')}{path}"
        try:
            return self._call(method, where, body)
        except NoConnectorError:
            self._ready()
            return self._call(method, where, body)

    def _ready(self) -> None:
        """Wait until the worker has joined its group: before, it answers but knows no connector. Workers older than
        Kafka 3.9 cannot tell: they get a few seconds."""
        try:
            self._call("GET", "/health")
        except ConnectRefusedError:
            time.sleep(_STALE_SECONDS)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        return self._retrying()(self._once, method, path, body)

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            stop=tenacity.stop_after_delay(self._patience),
            wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=3, jitter=0.2),
            retry=tenacity.retry_if_exception_type(ConnectUnreachableError),
            reraise=True,
        )

    def _once(self, method: str, path: str, body: Any) -> Any:
        try:
            reply = self._session.request(method, self.url + path, json=body, timeout=_TIMES)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise ConnectUnreachableError(
                f"Kafka Connect at {self.url} does not answer ({_short(error)}); "
                "see that it runs (`frazil stack status connect`) and that config/kafka_clusters.yaml has its address"
            ) from error
        except requests.RequestException as error:
            raise UsageError(
                f"Kafka Connect at {self.url}: {_short(error)}; correct config/kafka_clusters.yaml"
            ) from error
        if reply.ok:
            return _document(reply)
        raise self._refusal(method, path, reply)

    def _refusal(self, method: str, path: str, reply: requests.Response) -> Exception:
        document = _document(reply)
        text = str(document.get("message") or "") if isinstance(document, dict) else ""
        text = " ".join(text.split())[:500] or f"HTTP {reply.status_code}"
        if reply.status_code == 409 and "already exists" in text:
            return ConnectRefusedError(f"Kafka Connect at {self.url}: {text}")
        if reply.status_code in _BUSY:
            return ConnectUnreachableError(f"Kafka Connect at {self.url} is not ready: {text}; try again")
        if reply.status_code == 404 and path.startswith("/connectors/"):
            name = path.split("/")[2]
            return NoConnectorError(f"Kafka Connect has no connector {name}; run `frazil cdc register {name}`")
        if reply.status_code in (401, 403):
            return UsageError(f"Kafka Connect at {self.url} refuses the account: {text}; correct user and password")
        if reply.status_code == 500 and "rebalanc" in text.lower():
            return ConnectUnreachableError(f"Kafka Connect at {self.url} is not ready: {text}; try again")
        if reply.status_code in (400, 422) or (reply.status_code == 500 and method == "POST" and path == "/connectors"):
            return UsageError(f"Kafka Connect refuses the configuration: {text}")
        if reply.status_code >= 500 and "timed out" in text.lower():
            return ConnectUnreachableError(
                f"Kafka Connect at {self.url} is not ready: {text}; does Kafka run? (`frazil stack status kafka`)"
            )
        return ConnectRefusedError(f"Kafka Connect at {self.url}: {text}")


def cause(found: Mapping[str, Any]) -> str:
    """The innermost reason in a stack trace, in one line; empty if there is none."""
    lines = [line for line in str(found.get("trace") or "").splitlines() if line and not line.startswith(("\t", " "))]
    if not lines:
        return ""
    last = lines[-1].removeprefix("Caused by: ")
    kind, _, words = last.partition(": ")
    return (words or kind.rsplit(".", 1)[-1])[:500]


def _is_settled(found: ConnectorStatus, state: State) -> bool:
    return found.is_running if state == "RUNNING" else found.state == state and (state != "STOPPED" or not found.tasks)


def _document(reply: requests.Response) -> Any:
    if not reply.content:
        return {}
    try:
        return reply.json()
    except ValueError:
        return {"message": reply.text[:300]}


def _text(found: Mapping[str, Any], name: str) -> str:
    return str(found.get(name) or "")


def _short(error: Exception) -> str:
    text = str(error)
    for words in ("Connection refused", "timed out", "Name or service not known", "Failed to resolve", "certificate"):
        if words in text:
            return words
    return " ".join(text.split())[:200]
