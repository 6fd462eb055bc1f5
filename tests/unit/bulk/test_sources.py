from pathlib import Path

import pytest

from ingestion.bulk.sources import database, load_databases
from ingestion.errors import UsageError
from ingestion.settings import PROJECT_ROOT

BLOCK = """
sources:
  crm:
    dialect: postgres
    database: crm
    user: reader
    password: ${CRM_PASSWORD}
"""


def written(folder: Path, more: str = "") -> Path:
    (folder / "sources.yaml").write_text(BLOCK + more, encoding="utf-8")
    return folder


def test_the_shipped_sources_need_no_variable() -> None:
    sources = load_databases(PROJECT_ROOT / "config", {})

    dialects = {name: one.dialect for name, one in sources.items()}
    assert dialects == {"shop": "postgres", "shopmaria": "mysql", "delivery": "postgres"}


def test_a_password_is_never_printed(tmp_path: Path) -> None:
    source = database(written(tmp_path), "crm", {"CRM_PASSWORD": "tell-nobody"})

    assert source.password.get_secret_value() == "tell-nobody"
    assert "tell-nobody" not in repr(source)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("    paralel_tables: 2", "crm.paralel_tables: unknown; did you mean parallel_tables?"),
        ("    tls: {mod: require}", "crm.tls.mod: unknown; did you mean mode?"),
        ("    tables: {orders: {contact: freeze}}", "did you mean contract?"),
        ("    out_of_range: clip", "'keep_text', 'null', 'clamp' or 'fail'"),
        ("    number_without_precision: decimal(40,2)", "1 <= p <= 38"),
        ("    modes: []", "modes is empty"),
        ("    port: 70000", "crm.port"),
        ("  crm_two: {dialect: mysql, database: x, user: y}", "without underscore"),
        ("  crm2: {dialect: mysql, database: x, user: y, password: written}", "write ${VARIABLE} instead"),
    ],
)
def test_a_wrong_word_is_refused_with_the_right_one(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        load_databases(written(tmp_path, line), {"CRM_PASSWORD": "tell-nobody"})

    assert said in str(refused.value)
    assert "tell-nobody" not in str(refused.value)


def test_an_unknown_source_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean crm"):
        database(written(tmp_path), "crn", {"CRM_PASSWORD": ""})


def test_options_of_a_column_win_over_those_of_its_source(tmp_path: Path) -> None:
    more = "    out_of_range: fail\n    exclude: [tmp_*]\n    tables: {orders: {columns: {day: {out_of_range: clamp}}}}"
    source = database(written(tmp_path, more), "crm", {"CRM_PASSWORD": ""})

    assert source.policy("public", "orders", "day") == "clamp"
    assert source.policy("public", "orders", "hour") == "fail"
    assert source.takes("public", "orders")
    assert not source.takes("public", "tmp_orders")
