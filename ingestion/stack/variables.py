"""The variables by which config/sources.yaml and config/kafka_clusters.yaml find the stack's servers."""

import os
from pathlib import Path

from ingestion.stack.server import Server
from ingestion.stack.shop.load import DATABASE, has_shop


def variables(server: Server) -> dict[str, str]:
    """Of a running server: SHOP_<PART>_HOST and so on, its password among them, or the address of Kafka or Connect."""
    facts = server.facts()
    if facts.scheme == "kafka":
        return {"FRAZIL_KAFKA_BOOTSTRAP": facts.address}
    if facts.scheme == "http":
        return {f"FRAZIL_{server.part.name.upper()}_URL": facts.url}
    if not has_shop(facts):
        return {}
    prefix = f"SHOP_{server.part.name.upper()}"
    return {
        f"{prefix}_HOST": facts.host,
        f"{prefix}_PORT": str(facts.port),
        f"{prefix}_DATABASE": DATABASE,
        f"{prefix}_USER": facts.user,
        f"{prefix}_PASSWORD": facts.password,
    }


def write_variables(server: Server, folder: Path) -> None:
    """Keep them in `folder` for `ingestion.config`, readable by the caller alone; they stay while the server rests."""
    found = variables(server)
    if not found:
        return
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{server.part.name}.env"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"{name}='{value}'\n" for name, value in found.items())
    draft.replace(_file(server, folder))


def forget_variables(server: Server, folder: Path) -> None:
    """The server's data is gone."""
    _file(server, folder).unlink(missing_ok=True)


def _file(server: Server, folder: Path) -> Path:
    return folder / f"{server.part.name}.env"
