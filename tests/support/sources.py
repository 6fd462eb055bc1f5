"""Sources of the databases that tests make."""

from typing import Any

from ingestion.bulk.sources import DatabaseSource
from ingestion.stack import Facts


def source_of(facts: Facts, dialect: str, name: str = "shop", **more: Any) -> DatabaseSource:
    return DatabaseSource.model_validate(
        {
            "name": name,
            "dialect": dialect,
            "host": facts.host,
            "port": facts.port,
            "database": facts.database,
            "user": facts.user,
            "password": facts.password,
            **more,
        }
    )
