"""Commands as a person runs them: on a terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SIZE = struct.pack("HHHH", 50, 160, 0, 0)  # rows, columns


def on_a_terminal(words: Sequence[str], environment: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Exit code, and everything that was written to the terminal, moving lines among it, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, _SIZE)
    variables = {**environment, "TERM": "xterm"}
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=variables, cwd=folder) as process:
        os.close(theirs)
        written = b""
        while piece := _read(ours):
            written += piece
        code = process.wait()
    os.close(ours)
    return code, _ESCAPES.sub("", written.decode("utf-8", "replace"))


def _read(terminal: int) -> bytes:
    """Nothing when the last process that had the terminal has ended."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""
