"""Server and sink of webhooks die at random while senders go on until all they sent is acknowledged."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

from ingestion.settings import Settings
from tests.support.capturing import Senders, SinkProcess
from tests.support.webhook_server import accounting_problems, running_server

NOBODY_ELSE: Mapping[str, Callable[[], None]] = MappingProxyType({})


def torture(
    settings: Settings,
    folder: Path,
    deaths: Iterable[str],
    seed: int,
    others: Mapping[str, Callable[[], None]] = NOBODY_ELSE,
    **variables: Any,
) -> Senders:
    """What was sent; raw holds all that there is when it ends.

    A death is "server", "sink", or a name in `others`, which kills that one and brings it back. `variables` are FRAZIL_
    variables of both processes, without the prefix.
    """
    chance = Random(seed)
    sink, senders = SinkProcess(settings, folder, **variables), Senders(4, seed)
    with ExitStack() as stack:
        stack.callback(sink.kill)
        server = stack.enter_context(running_server(settings.home_dir, **variables))
        senders.server = server
        sink.up()
        senders.start()
        try:
            for death in deaths:
                time.sleep(chance.uniform(0.2, 1.5))
                if death == "server":
                    server.kill()
                    server = stack.enter_context(running_server(settings.home_dir, **variables))
                    senders.server = server
                elif death == "sink":
                    sink.kill()
                    sink.up()
                else:
                    others[death]()
        finally:
            senders.stop()
        assert not accounting_problems(server.counts())
        sink.end()
        sink.once()
    return senders
