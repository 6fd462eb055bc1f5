"""The lake's catalog: the only place that knows which kind of catalog a profile uses."""

import logging

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ingestion.errors import RetryableError, UsageError
from ingestion.lake.embedded import EmbeddedCatalog
from ingestion.settings import Settings

CATALOG_NAME = "lake"  # part of every key in the catalog's tables: Spark and Python must say the same word
NAMESPACES = ("raw", "staging", "semantic", "analytics", "marts", "metadata")


def open_catalog(settings: Settings) -> Catalog:
    """Connect to the catalog of the settings' profile; on a new machine its file and namespaces are made."""
    if settings.profile != "embedded":
        raise UsageError(f"FRAZIL_PROFILE={settings.profile}: only the embedded profile has a catalog so far")
    try:
        return _opened(settings)
    except (OSError, SQLAlchemyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RetryableError(
            f"the lake's catalog {settings.home_dir}/catalog.db cannot be opened ({reason}); "
            "see that FRAZIL_HOME can be written"
        ) from error


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
