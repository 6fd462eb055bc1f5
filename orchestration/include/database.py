"""Airflow's own database: its tables, and the pools that bound what runs at the same time."""

from airflow.models.pool import Pool
from airflow.utils.db import initdb
from airflow.utils.session import create_session

from orchestration.include.transform import POOL

POOLS = {POOL: (8, "Tables that watch the dbt build, those that wait included")}


def prepare() -> None:
    """Make or upgrade the database and its pools; repeating it changes nothing."""
    with create_session() as session:
        initdb(session=session)
        for name, (slots, description) in POOLS.items():
            Pool.create_or_update_pool(name, slots, description, include_deferred=True, session=session)


if __name__ == "__main__":
    prepare()
