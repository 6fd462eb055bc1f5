"""The variables by which config/sources.yaml finds the stack's shops."""

import os
from pathlib import Path

from ingestion.stack.server import Server
from ingestion.stack.shop.load import DATABASE, has_shop


def shop_variables(server: Server) -> dict[str, str]:
    """SHOP_<PART>_HOST and so on of a running server, its password among them; nothing for a part without a shop."""
    facts = server.facts()
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
    found = shop_variables(server)
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
