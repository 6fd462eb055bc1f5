"""`frazil webhooks`: receive, send and list webhooks."""

import importlib
from pathlib import Path
from typing import Any

import click

from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.errors import UsageError
from ingestion.settings import Settings

_ELSEWHERE = {"send": "ingestion.cli.webhooks_send"}


class _Verbs(click.Group):
    """Imports `send` when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _ELSEWHERE:
            found = getattr(importlib.import_module(_ELSEWHERE[cmd_name]), cmd_name)
            assert isinstance(found, click.Command)
            return found
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Verbs, help="Receive, send and list webhooks.")
def command() -> None:
    pass


@command.command(help="Take signed webhooks at /webhooks/SOURCE and bring each to disk before answering.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes, each its journal."
)
@click.option("--certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TLS, PEM file.")
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Key of the certificate.")
@json_option
def serve(host: str, port: int, workers: int, certificate: Path | None, key: Path | None, as_json: bool) -> None:
    from ingestion.logs import configure_logging
    from ingestion.webhooks.events import reader
    from ingestion.webhooks.limits import Limits
    from ingestion.webhooks.server import Address, check_tls, listen, run_worker
    from ingestion.webhooks.signatures import verifier
    from ingestion.webhooks.sources import load_sources
    from ingestion.webhooks.supervisor import Supervisor
    from ingestion.webhooks.worker import Worker

    if (certificate is None) != (key is None):
        raise UsageError("TLS needs both: --certificate FILE --key FILE")
    settings = Settings()
    configure_logging(settings)
    sources = load_sources(settings.config_dir)
    for source in sources.values():
        verifier(source, settings.public_base_url)  # an unusable secret is told here, and
        reader(source)  # a file that reads a value twice
    address = Address(host, port, certificate, key)
    check_tls(address)

    def say_ready() -> None:
        scheme = "https" if certificate else "http"
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        silent = [name for name, source in sources.items() if not source.secrets]
        if as_json:
            print_json({"url": url, "workers": workers, "sources": list(sources), "without_secret": silent})
        else:
            click.echo(f"listening on {url}/webhooks/{{{','.join(sources)}}} with {workers} worker(s)")
            if silent:
                click.echo(f"refusing everything for want of a secret: {', '.join(silent)}")

    if workers == 1:
        worker = Worker.of(settings, sources, Limits.of(settings))
        listener = listen(address)
        run_worker(worker, listener, address, say_ready)
    else:
        listener = listen(address)
        Supervisor(listener, address, workers).run(say_ready)


@command.command(name="list", help="The configured sources, their tables, and whether they have a secret.")
@json_option
def list_sources(as_json: bool) -> None:
    from ingestion.webhooks.sources import load_sources

    settings = Settings()
    rows: list[dict[str, Any]] = [
        {
            "source": name,
            "path": f"/webhooks/{name}",
            "scheme": source.signature.scheme,
            "secrets": len(source.secrets),
            "tables": [f"raw.{name}_{item}" for item in source.objects],
        }
        for name, source in load_sources(settings.config_dir).items()
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows([{**row, "tables": " ".join(row["tables"])} for row in rows])
