"""Entering a Kafka: a client and the topics there are, or why nobody is let in, which a client says only in passing."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from ingestion.errors import RetryableError, UsageError

_FIRST_TRY = 1.0  # seconds; each try is given twice as long as the one before
_TRIES = 2  # a refusal that was heard in so many is none of a broker that is just starting
_FILE = "config/kafka_clusters.yaml"
_REFUSED = (KafkaError._AUTHENTICATION, KafkaError._SSL)
_Client = TypeVar("_Client")


def entered(config: Mapping[str, Any], seconds: float) -> tuple[AdminClient, Mapping[str, Any]]:
    """A client of the Kafka that librdkafka's `config` names, and its topics' metadata by name.

    Raises UsageError when the account, the certificate or a file of `config` is not accepted, and RetryableError when
    nobody answers in `seconds`; the line says what the client was told.
    """
    servers, said = config["bootstrap.servers"], list[KafkaError]()
    client = made(AdminClient, {**config, "log_level": 0, "error_cb": said.append})
    deadline, tries = time.monotonic() + seconds, 0
    while True:
        patience, left = _FIRST_TRY * 2**tries, deadline - time.monotonic()
        try:
            return client, client.list_topics(timeout=max(min(patience, left), 0.1)).topics
        except KafkaException as error:
            client.poll(0)  # now it says what it met
            tries += 1
            refusal = next((one for one in reversed(said) if one.code() in _REFUSED), None)
            if refusal is not None and (tries >= _TRIES or patience >= left):
                line = f"Kafka at {servers} refuses the connection ({reason(refusal)}); {next_step(refusal)}"
                raise UsageError(line) from error
            if patience >= left:
                met = next((one for one in reversed(said) if one.code() != KafkaError._ALL_BROKERS_DOWN), error.args[0])
                line = f"Kafka at {servers} does not answer ({reason(met)}); {next_step(met)}"
                raise RetryableError(line) from error


def made(kind: Callable[[dict[str, Any]], _Client], config: dict[str, Any]) -> _Client:
    """A client of librdkafka. Raises UsageError when it cannot even be made: a file is absent, or is no certificate."""
    try:
        return kind(config)
    except KafkaException as error:
        line = f"Kafka at {config['bootstrap.servers']} cannot be asked ({reason(error.args[0])})"
        raise UsageError(f"{line}; set the files of its cluster in {_FILE} to ones in PEM that can be read") from error


def reason(error: KafkaError) -> str:
    """librdkafka's words in one line, without its internal state and its counts of repetitions."""
    return re.sub(r" \(after \d+ms in state .*$", "", " ".join(error.str().split()))


def next_step(error: KafkaError) -> str:
    """What to do about a connection that does not come about."""
    if error.code() == KafkaError._AUTHENTICATION:
        return f"set mechanism, user and password of its cluster in {_FILE} to an account that it has"
    if error.code() == KafkaError._SSL:
        return (
            f"set security of its cluster in {_FILE} to what its port takes, and ca_file to who signed its certificate"
        )
    return (
        f"see that it runs (`frazil stack status kafka`) and that {_FILE} has the address and the security of its port"
    )
