"""`frazil scaffold staging`: whatever a database calls its tables and columns, the models lint, build and equal it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingestion.bulk.declared import ensure_declared
from ingestion.cli.scaffold import command
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.stack import Facts
from tests.integration.bulk_staging.shop import Shop
from tests.support.databases import TestMariaDb, TestPostgres
from tests.support.lake import Lake

TABLES = """
create table regions (country char(2), code text, name text not null, primary key (country, code));
insert into regions values ('NO', 'x', 'Svalbard'), ('NO', 'y', 'Jan Mayen');
create table "Ice floes" (
    id numeric(10, 0) primary key, "order" int not null, "userId" bigint, "größe" numeric(6, 2), is_deleted boolean,
    deleted_at timestamptz, active boolean not null, created timestamp not null, "date" date, born date not null,
    region_country char(2), region_code text, _loaded_at text, "by" interval,
    foreign key (region_country, region_code) references regions
);
insert into "Ice floes" values
    (1, 7, 9007199254740993, 1.50, true, now(), true, '2026-01-05 08:00', '2026-01-05', '2026-01-05',
    'NO', 'x', 'a', '1 h'),
    (2, 8, null, 'NaN', null, 'infinity', false, 'infinity', 'infinity', '-infinity', null, null, null, null),
    ('NaN', 9, 1, null, false, null, true, now()::timestamp, null, '2026-01-05', 'NO', 'y', '', '2 d');
create table sightings (place text, seen int, share double precision, picture bytea, about jsonb);
insert into sightings values ('lead', 1, 0.5, '\\x00ff', '{"a": 1.10}'), ('lead', 1, 0.5, '\\x00ff', '{"a": 1.10}'),
    ('lead', 2, null, null, null), (null, null, null, null, null);
"""


MARIADB_TABLES = (
    "create table harbours (code char(3) primary key, is_open tinyint(1) not null, open tinyint(1), depth tinyint)",
    "insert into harbours values ('LYR', 1, 1, -7), ('TOS', 0, null, 127), ('BOO', 7, 0, 0)",
    """create table calls (
        id bigint unsigned primary key, `order` int unsigned not null, kind enum('ice', 'lead') not null, about json,
        at time(6), since year, created datetime(6) not null, `day` date, harbour char(3), amount decimal(12, 2),
        is_late boolean, picture varbinary(9), foreign key (harbour) references harbours (code))""",
    """insert into calls values (18446744073709551615, 4294967295, 'ice', '{"a": 1.10}', '-838:59:58.5', 2024,
        '2026-01-05 08:00', '2024-05-00', 'LYR', -0.05, true, x'00ff'),
        (1, 0, 'lead', null, null, null, '2026-01-05 08:00', null, null, null, null, null)""",
)


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Facts], Shop]:
    """A database as source `shop` of a config/sources.yaml of its own."""

    def of(dialect: str, facts: Facts) -> Shop:
        block = {"dialect": dialect, "host": facts.host, "port": facts.port, "database": facts.database}
        block |= {"user": facts.user, "password": "${SHOP_PASSWORD}"}
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "sources.yaml").write_text(json.dumps({"sources": {"shop": block}}))
        monkeypatch.setenv("SHOP_PASSWORD", facts.password)
        monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(tmp_path / "config"))
        return Shop.of(facts, Settings(home=tmp_path / "home"), dialect=dialect)

    return of


@pytest.fixture
def database(postgres: TestPostgres, configured: Callable[[str, Facts], Shop]) -> Shop:
    """An awkward database on PostgreSQL."""
    facts = postgres.database()
    with postgres.connect(facts.database) as connection:
        connection.execute(TABLES.encode())
    return configured("postgres", facts)


def scaffold(root: Path, *words: str) -> Result:
    return CliRunner().invoke(command, ["staging", "shop", "--root", str(root), *words])


def lint(project: Path, *dialects: str) -> None:
    """Holds where the written models pass the project's lint."""
    shutil.copy(PROJECT_ROOT / ".sqlfluff", project)
    shutil.copytree(PROJECT_ROOT / "tests" / "lint", project / "tests" / "lint")
    for dialect in dialects:
        sqlfluff = [str(Path(sys.executable).with_name("sqlfluff")), "lint", "--dialect", dialect, "models/staging"]
        done = subprocess.run(sqlfluff, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def states(root: Path, *words: str) -> dict[str, str]:
    files: list[dict[str, Any]] = json.loads(scaffold(root, "--json", *words).stdout)["files"]
    return {Path(one["path"]).name: one["state"] for one in files}


@pytest.mark.spark
def test_awkward_tables_lint_build_and_equal_their_source(database: Shop, project: Path) -> None:
    written = scaffold(project)
    lint(project, "sparksql", "trino")
    lake = Lake(database.lake.settings, project)
    ensure_declared(lake.catalog, project / "models")
    lake.dbt("build", "--select", "staging.shop")
    database.load()
    lake.dbt("build", "--select", "staging.shop")

    floes = {row["ice_floe_id"]: row for row in lake.rows("staging.stg_shop_ice_floes")}
    sightings = lake.rows("staging.stg_shop_sightings")
    with database.connect() as connection:
        connection.execute(
            "delete from sightings where seen = 1; insert into sightings (place, seen) values ('lead', 1)"
        )
    database.load(is_resumed=False, tables=("sightings",))
    lake.dbt("build", "--select", "stg_shop_sightings")
    later = [row for row in lake.rows("staging.stg_shop_sightings") if not row["is_deleted"]]

    assert written.exit_code == 0, written.output
    assert set(floes) == {"1", "2", "NaN"}
    assert (floes["1"]["user_id"], floes["1"]["order_value"]) == ("9007199254740993", 7)
    assert (floes["1"]["is_active"], floes["1"]["source_is_deleted"]) == (True, True)
    assert dict(floes["2"]["_raw_overflow"])["born"] == "-infinity"
    assert (floes["2"]["born_date"], floes["2"]["created_at"]) == (None, None)
    assert sorted(str(row["seen"]) for row in sightings) == ["1", "1", "2", "None"]
    assert sorted(str(row["seen"]) for row in later) == ["1", "2", "None"]
    assert len({row["sighting_key"] for row in later}) == 3


@pytest.mark.spark
def test_tables_of_mariadb_lint_build_and_hold_what_they_held(
    mariadb: TestMariaDb, configured: Callable[[str, Facts], Shop], project: Path
) -> None:
    facts = mariadb.database()
    with mariadb.connect(facts.database) as connection, connection.cursor() as cursor:
        cursor.execute("set session sql_mode = 'ALLOW_INVALID_DATES'")
        for statement in MARIADB_TABLES:
            cursor.execute(statement)
    shop = configured("mysql", facts)

    written = scaffold(project)
    lint(project, "sparksql")
    lake = Lake(shop.lake.settings, project)
    ensure_declared(lake.catalog, project / "models")
    loaded = shop.load()
    lake.dbt("build", "--select", "staging.shop")

    harbours = {row["code"]: row for row in lake.rows("staging.stg_shop_harbours")}
    calls = {row["call_id"]: row for row in lake.rows("staging.stg_shop_calls")}
    first, second = calls["18446744073709551615"], calls["1"]
    assert written.exit_code == 0, written.output
    assert {one.status for one in loaded.values()} == {"loaded"}
    opened = {code: (row["is_open"], row["open"], row["depth"]) for code, row in harbours.items()}
    assert opened == {"LYR": (True, 1, -7), "TOS": (False, None, 127), "BOO": (True, 0, 0)}
    assert (first["order_value"], first["kind"], first["is_late"]) == (4294967295, "ice", True)
    assert (first["at"], first["since"], first["amount"]) == ("-838:59:58.500000", 2024, Decimal("-0.05"))
    assert (first["about"], first["picture"]) == ('{"a": 1.10}', b"\x00\xff")
    assert dict(first["_raw_overflow"]) == {"day": "2024-05-00"}
    assert (second["kind"], second["about"], second["at"], second["is_late"]) == ("lead", None, None, None)


def test_a_file_that_is_there_is_never_overwritten(database: Shop, project: Path) -> None:
    first, second = states(project), states(project)
    edited = project / "models" / "staging" / "shop" / "stg_shop_regions.sql"
    text = edited.read_text().replace("name,", "upper(name) as name,")
    edited.write_text(text)
    (edited.parent / "stg_shop_sightings.yml").unlink()

    refused = scaffold(project)
    filled = states(project, "--write-new")

    assert set(first.values()) == {"written"}
    assert set(second.values()) == {"unchanged"}
    assert refused.exit_code == 1
    assert "-    upper(name) as name," in refused.stdout
    assert "+    name," in refused.stdout
    assert "1 missing" in refused.stderr
    assert (filled["stg_shop_regions.sql"], filled["stg_shop_sightings.yml"]) == ("different", "written")
    assert edited.read_text() == text


def test_the_models_of_the_shop_are_what_is_scaffolded(
    postgres: TestPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = postgres.shop(scale=0.002)
    for name in ("host", "port", "database", "user", "password"):
        monkeypatch.setenv(f"SHOP_POSTGRES_{name.upper()}", str(getattr(facts, name)))

    result = scaffold(tmp_path)

    assert result.exit_code == 0, result.output
    for path in sorted((tmp_path / "models" / "staging" / "shop").iterdir()):
        kept = (PROJECT_ROOT / path.relative_to(tmp_path)).read_text()
        if path.suffix == ".sql" or path.name == "_sources.yml":
            assert kept == path.read_text(), path.name
        else:
            assert without_descriptions(kept) == without_descriptions(path.read_text()), path.name


def without_descriptions(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.strip().startswith("description:")]
