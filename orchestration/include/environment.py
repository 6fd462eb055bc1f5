"""The variables that every Airflow process runs under: all state below FRAZIL_HOME/airflow, all ports on 127.0.0.1."""

import json
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet

from ingestion.settings import PROJECT_ROOT, Settings

USER = "admin"
# Set in the single run without a scheduler: tasks run one after another there, so the build has to come first.
ONE_BY_ONE = "FRAZIL_AIRFLOW_ONE_BY_ONE"


def airflow_environment(settings: Settings, **more: str) -> dict[str, str]:
    """To be laid over `os.environ`. Secrets are made at the first call and kept in files of mode 0600."""
    home = settings.home_dir / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    keys = _secrets(home / "secrets.json")
    address = f"http://127.0.0.1:{settings.airflow_port}"
    return {
        "FRAZIL_HOME": str(settings.home_dir),
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(PROJECT_ROOT),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_ROOT / "orchestration" / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT_ROOT / "orchestration" / "plugins"),
        "AIRFLOW__CORE__EXECUTOR": "orchestration.include.executor.PreloadedExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet"],
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(password_file(settings)),
        **_database(home),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": keys["pages"],
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["tokens"],
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",  # tables follow each other, each a task of 0.3 s
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",  # tasks of a scheduler that was killed; else 300
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        # Else all that the build has told so far is stored once more with each node, for a retry that it does not have.
        "AIRFLOW__COSMOS__ENABLE_WATCHER_RELIABLE_RETRY": "False",
        "AIRFLOW__COSMOS__CACHE_DIR": str(home / "cosmos"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
        **more,
    }


def _database(home: Path) -> dict[str, str]:
    """Airflow's own database: SQLite, or what the operator gives. Airflow has a second, asynchronous connection.

    For PostgreSQL it would take asyncpg there, which is not installed; psycopg, which is, serves both.
    """
    name = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    address = os.environ.get(name, f"sqlite:///{home}/airflow.db")
    return {name: address} | ({f"{name}_ASYNC": address} if address.startswith("postgresql+psycopg:") else {})


def password_file(settings: Settings) -> Path:
    """The page's users and their passwords; made with a random one, for its owner's eyes only."""
    file = settings.home_dir / "airflow" / "passwords.json"
    if not file.exists():
        _write_private(file, {USER: secrets.token_urlsafe(18)})
    return file


def _secrets(file: Path) -> dict[str, str]:
    if not file.exists():
        names = ("pages", "tokens")
        _write_private(
            file, {"fernet": Fernet.generate_key().decode(), **{name: secrets.token_urlsafe(48) for name in names}}
        )
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _write_private(file: Path, content: dict[str, str]) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        json.dump(content, out)
