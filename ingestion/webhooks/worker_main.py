"""`python -m ingestion.webhooks.worker_main INDEX SOCKET PIPE [CERTIFICATE KEY]`: one worker under a supervisor."""

import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from ingestion.errors import FrazilError
from ingestion.logs import configure_logging
from ingestion.settings import Settings
from ingestion.webhooks.limits import Limits
from ingestion.webhooks.server import Address, run_worker
from ingestion.webhooks.sources import load_sources
from ingestion.webhooks.worker import Worker

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """The process's exit code; 75 when another server holds the journal. A byte in the pipe says that it serves."""
    supervisor = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    index, descriptor, pipe, *tls = sys.argv[1:]
    listener = socket.socket(fileno=int(descriptor))
    host, port = listener.getsockname()[:2]
    certificate, key = (Path(tls[0]), Path(tls[1])) if tls else (None, None)
    settings = Settings()
    configure_logging(settings)
    try:
        worker = Worker.of(settings, load_sources(settings.config_dir), Limits.of(settings), index=int(index))
        if os.getppid() == supervisor:  # else it died before it could be noticed
            run_worker(worker, listener, Address(host, port, certificate, key), lambda: _say_ready(int(pipe)))
    except FrazilError as error:
        print(f"frazil: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _say_ready(pipe: int) -> None:
    with suppress(BrokenPipeError), os.fdopen(pipe, "wb", buffering=0) as supervisor:
        supervisor.write(b"1")


if __name__ == "__main__":
    sys.exit(main())
