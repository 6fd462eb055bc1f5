"""`frazil stack`: real servers on this machine, their shop, and writers that change it."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.errors import UsageError
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.stack import Server, Status

_parts = click.argument("parts", nargs=-1, metavar="[PART]...")


@click.group(help="Real servers for development and tests, without root and without containers.")
def command() -> None: ...


@command.command(help="Start parts (all, if none is named), wait until they answer, generate the shop where absent.")
@_parts
@click.option("--scale", type=click.FloatRange(min=0, min_open=True), help="Of the shop; 1 is a million rows.")
@click.option("--seed", type=int, help="The same seed generates the same shop; 1 unless given.")
@click.option("--no-shop", is_flag=True, help="Servers only.")
@json_option
def up(parts: tuple[str, ...], scale: float | None, seed: int | None, no_shop: bool, as_json: bool) -> None:
    from ingestion.stack.shop.load import ensure_shop, has_shop
    from ingestion.stack.variables import write_variables

    if no_shop and (scale is not None or seed is not None):
        raise UsageError("--no-shop goes without --scale and --seed")
    servers = _servers(parts, needed=True)
    facts = [server.up() for server in servers]
    if not no_shop:
        ensure_shop([one for one in facts if has_shop(one)], scale, seed)
    for server in servers:
        if not (no_shop and has_shop(server.facts())):
            write_variables(server, Settings().variables_dir)
    _show([server.status() for server in servers], as_json)


@command.command(help="End parts (all, if none is named) cleanly; what they hold stays.")
@_parts
@click.option("--remove", is_flag=True, help="Also delete what the named parts hold.")
@json_option
def down(parts: tuple[str, ...], remove: bool, as_json: bool) -> None:
    if remove and not parts:
        raise UsageError("--remove deletes data: name the parts, for example `frazil stack down --remove postgres`")
    from ingestion.stack.variables import forget_variables

    servers = _servers(parts)
    for server in reversed(servers):
        if remove:
            server.remove()
            forget_variables(server, Settings().variables_dir)
        else:
            server.down()
    _show([server.status() for server in servers], as_json)


@command.command(help="What runs, where, and where its log is.")
@_parts
@json_option
def status(parts: tuple[str, ...], as_json: bool) -> None:
    _show([server.status() for server in _servers(parts)], as_json)


@command.command(help='Print how to connect, as `export` lines with passwords: eval "$(frazil stack env)".')
@_parts
@json_option
def env(parts: tuple[str, ...], as_json: bool) -> None:
    from ingestion.stack.variables import variables

    found = {name: value for server in _servers(parts) for name, value in variables(server).items()}
    if as_json:
        print_json(found)
    else:
        for name, value in found.items():
            click.echo(f"export {name}={shlex.quote(value)}")


@command.command(help="Change the shop of PART for a while: concurrent inserts, updates, deletes and rollbacks.")
@click.argument("part")
@click.option(
    "--seconds", default=10.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="How long."
)
@click.option("--writers", default=4, show_default=True, type=click.IntRange(1, 64), help="At the same time.")
@click.option("--seed", default=1, show_default=True, help="What they try, and in which order.")
@json_option
def write(part: str, seconds: float, writers: int, seed: int, as_json: bool) -> None:
    from ingestion.progress import progress
    from ingestion.stack.shop import load
    from ingestion.stack.shop import writers as shop_writers

    facts = load.shop_of(_servers((part,))[0].facts())
    with progress(f"writing to {part}") as meter:
        written = shop_writers.write(facts, seconds, writers, seed, on_commit=meter.at)
    if as_json:
        print_json(asdict(written))
        return
    print_rows([{"change": name, "committed": count} for name, count in written.changes.most_common()])
    click.echo(
        f"{written.committed} committed, {written.rolled_back} rolled back, {written.conflicts} conflicts, "
        f"{written.long} long, in {written.seconds:.1f} s"
    )


def _servers(parts: Sequence[str], *, needed: bool = False) -> "list[Server]":
    """Each once and after what it needs (`needed`: that too); all parts if none is named."""
    from ingestion.stack import Places, Server, in_order, part_names

    settings = Settings()
    places = Places.of(settings)
    unknown = sorted(set(settings.stack_ports) - set(part_names()))
    if unknown:
        raise UsageError(f"FRAZIL_STACK_PORTS names {', '.join(unknown)}; the parts are {', '.join(part_names())}")
    names = [name for name in in_order(parts or part_names()) if needed or not parts or name in parts]
    return [Server(name, places, settings.stack_ports.get(name, 0)) for name in names]


def _show(found: "list[Status]", as_json: bool) -> None:
    columns = ("part", "state", "port", "pid", "url")
    rows = [{**asdict(one), "port": one.port or None, "log_file": str(one.log_file)} for one in found]
    if as_json:
        print_json(rows)
    else:
        print_rows([{name: row[name] for name in columns} for row in rows])
