"""The lake's catalog: the only place that knows which kind of catalog a profile uses."""

import logging
import sqlite3
from pathlib import Path

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ingestion.errors import FrazilError, PermanentError, RetryableError, UsageError
from ingestion.home import no_folder
from ingestion.lake.embedded import EmbeddedCatalog
from ingestion.settings import Settings

CATALOG_NAME = "lake"  # part of every key in the catalog's tables: Spark and Python must say the same word
_NO_ADDRESS = frozenset("#?%")  # in file:// and sqlite:// they begin other parts, or are read as another letter
NAMESPACES = ("raw", "staging", "semantic", "analytics", "marts", "metadata")


def open_catalog(settings: Settings) -> Catalog:
    """Connect to the catalog of the settings' profile; on a new machine its file and namespaces are made.

    Raises RetryableError while it cannot be opened, PermanentError if it is damaged, UsageError where no folder can be,
    or none whose files an address can name.
    """
    if settings.profile != "embedded":
        raise UsageError(f"FRAZIL_PROFILE={settings.profile}: only the embedded profile has a catalog so far")
    if _NO_ADDRESS & set(str(settings.home_dir)):
        raise UsageError(f"{settings.home_dir}: no table can be below a name with # ? or %; set FRAZIL_HOME to another")
    try:
        return _opened(settings)
    except (OSError, SQLAlchemyError) as error:
        raise _unopened(settings.home_dir, error) from error


def _unopened(home: Path, error: OSError | SQLAlchemyError) -> FrazilError:
    lasting = no_folder(home, error)
    if lasting is not None:
        return lasting
    file = f"the lake's catalog {home}/catalog.db"
    reason = " ".join(str(error).split())[:200]
    cause = getattr(error, "orig", None)
    if type(cause) is sqlite3.DatabaseError:  # its subclasses are other troubles, such as a lock
        return PermanentError(
            f"{file} is damaged ({cause}); stop what uses it, and put your copy in its place "
            "as docs/operate/runbooks.md tells"
        )
    return RetryableError(f"{file} cannot be opened ({reason}); see that FRAZIL_HOME can be written")


def _opened(settings: Settings) -> Catalog:
    settings.home_dir.mkdir(parents=True, exist_ok=True)
    logging.getLogger("pyiceberg").setLevel(logging.WARNING)  # it tells of every file object it makes
    catalog = EmbeddedCatalog(
        CATALOG_NAME,
        **{
            "uri": settings.catalog_uri,
            "warehouse": settings.warehouse,
            "py-io-impl": "ingestion.lake.durable.DurableFileIO",
        },
    )
    ensure_namespaces(catalog)
    return catalog


def ensure_namespaces(catalog: Catalog) -> None:
    """Create the layers' namespaces that are missing; processes that start together do not disturb each other."""
    present = {name[0] for name in catalog.list_namespaces()}
    for name in NAMESPACES:
        if name not in present:
            try:
                catalog.create_namespace(name)
            except (NamespaceAlreadyExistsError, IntegrityError):
                continue
