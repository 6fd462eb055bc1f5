"""`frazil scaffold`: the files of something new, in the house style."""

import json
import sys
from pathlib import Path
from typing import Literal

import click

from ingestion.cli.output import json_option, print_json
from ingestion.errors import FrazilError, UsageError
from ingestion.settings import PROJECT_ROOT, Settings


@click.group(help="Write the files of a new source.")
def command() -> None:
    pass


@command.command(
    help="Write configuration, staging model and model YAML of webhook source NAME (one word) from an example event."
)
@click.argument("name")
@click.option("--example", required=True, type=click.Path(path_type=Path), help='JSON: a body, or {"headers", "body"}.')
@click.option(
    "--scheme",
    default="standard",
    show_default=True,
    type=click.Choice(["standard", "shopify", "stripe", "hubspot"]),
    help="How the sender signs.",
)
@click.option("--object", "object_name", help="Name of the raw table's object; default from the topic.")
@click.option("--key", help="Path of the object's id, below the object.")
@click.option("--topic", help="header:<name> or body:<path> of the event's type.")
@click.option("--updated-at", help="Path of the update time below the object, or body:<path>, header:<name>.")
@click.option("--force", is_flag=True, help="Replace files that are there with other content.")
@click.option("--root", default=PROJECT_ROOT, type=click.Path(path_type=Path), help="The project's folder.")
@json_option
def webhook(
    name: str,
    example: Path,
    scheme: Literal["standard", "shopify", "stripe", "hubspot"],
    object_name: str | None,
    key: str | None,
    topic: str | None,
    updated_at: str | None,
    force: bool,
    root: Path,
    as_json: bool,
) -> None:
    from ingestion.webhooks.scaffold import Wishes, planned
    from ingestion.webhooks.scaffold_files import compose, write

    try:
        plan = planned(Wishes(name, scheme, object_name, key, topic, updated_at), _read(example))
        files = compose(plan)
    except RecursionError as error:
        raise UsageError(f"{example}: nested too deep to be read; take an event as it was sent") from error
    try:
        written = write(files, root, force=force)
    except OSError as error:
        raise UsageError(f"--root {root}: {error.strerror} ({error.filename}); not all was written") from error
    model, secret = f"stg_{name}_{plan.object_name}", f"{name.upper()}_WEBHOOK_SECRET"
    next_steps = [
        f"look through the files: types and names were inferred from one example ({len(plan.columns)} columns)",
        f"set {secret} for the server (and name it in .env.example)",
        "frazil setup, which makes the empty raw table; then restart frazil webhooks serve",
        f"let the sender post to /webhooks/{name}; frazil run lands its events and builds {model}",
    ]
    if as_json:
        states = [{"path": str(one.path), "state": one.state} for one in written]
        print_json({"source": name, "model": model, "files": states, "notes": plan.notes, "next": next_steps})
        return
    for one in written:
        click.echo(f"{one.state:9}  {one.path}")
    for note in plan.notes:
        click.secho(f"note: {note}", fg="yellow")
    click.echo("\nNext:")
    for number, step in enumerate(next_steps, 1):
        click.echo(f"  {number}. {step}")


@command.command(
    help="Write the staging models of database SOURCE of config/sources.yaml: `_sources.yml`, and a model and its YAML "
    "per table. A file that is there is never overwritten: the difference is shown, and the exit code is 1."
)
@click.argument("source")
@click.option("--write-new", is_flag=True, help="Write the files that are missing although others differ.")
@click.option("--root", default=PROJECT_ROOT, type=click.Path(path_type=Path), help="The project's folder.")
@json_option
def staging(source: str, write_new: bool, root: Path, as_json: bool) -> None:
    from ingestion.bulk.dialects.base import by_name
    from ingestion.bulk.scaffold import compose, write
    from ingestion.bulk.sources import database

    found = database(Settings().config_dir, source)
    files = write(compose(source, by_name(found.dialect).tables(found)), root, only_new=write_new)
    different = [one for one in files if one.state == "different"]
    if as_json:
        states = [{"path": str(one.path), "state": one.state, "diff": one.diff or None} for one in files]
        print_json({"source": source, "files": states})
    else:
        for one in different:
            click.echo(one.diff)
        for one in files:
            click.echo(f"{one.state:9}  {one.path}")
        if any(one.state == "written" for one in files):
            click.echo(f"\nNext: describe the columns; frazil bulk load {source}; frazil run")
    if different and not write_new:
        absent = sum(one.state == "absent" for one in files)
        wish = f"; --write-new writes the {absent} missing files" if absent else ""
        click.echo(f"frazil: {len(different)} files differ from the database and stay as they are{wish}", err=True)
        sys.exit(FrazilError.exit_code)


def _read(path: Path) -> object:
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()  # of half a surrogate pair no file can be made
        return found
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{path}: not JSON: {error}") from error


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is no number")
