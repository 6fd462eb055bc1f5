"""Text of unknown origin on a terminal: it is shown, and never read as markup or as commands."""

from typing import TextIO

from rich.console import Console

_COMMANDS = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"]
_DIRECTIONS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_ESCAPED = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in (*_COMMANDS, *_DIRECTIONS)}
_ESCAPED_IN_JSON = {code: f"\\u{code:04x}" for code in (*_COMMANDS, *_DIRECTIONS)}


def visible(text: str) -> str:
    """`text` with ESC as `\\x1b`, likewise what else moves the cursor or turns the direction of writing.

    Line ends and tabs stay.
    """
    return text.translate(_ESCAPED)


def visible_json(document: str) -> str:
    """The same JSON document, with such characters of its strings as `\\u001b`."""
    return document.translate(_ESCAPED_IN_JSON)


def literal_console(
    file: TextIO | None = None,
    *,
    width: int | None = None,
    stderr: bool = False,
    highlight: bool = True,
    soft_wrap: bool = False,
) -> Console:
    """A console to which `[red]` and `:smile:` are words like others; styles are given beside the text."""
    return Console(
        file=file, width=width, stderr=stderr, highlight=highlight, soft_wrap=soft_wrap, markup=False, emoji=False
    )
