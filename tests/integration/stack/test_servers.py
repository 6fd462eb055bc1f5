from tests.support.databases import TestMariaDb, TestPostgres


def test_postgres_keeps_a_logical_log_and_asks_for_a_password(postgres: TestPostgres) -> None:
    database = postgres.database()

    with postgres.connect(database.database) as connection:
        settings = connection.execute("select current_setting('wal_level'), current_setting('TimeZone')").fetchone()
        connection.execute("select pg_create_logical_replication_slot('seen', 'pgoutput')")
        methods = connection.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
        connection.execute("select pg_drop_replication_slot('seen')")

    assert settings == ("logical", "UTC")
    assert methods == [("scram-sha-256",)]


def test_mariadb_logs_whole_rows_and_has_one_account_alone(mariadb: TestMariaDb) -> None:
    database = mariadb.database()

    with mariadb.connect(database.database) as connection, connection.cursor() as cursor:
        cursor.execute("select @@log_bin, @@binlog_format, @@binlog_row_image, @@gtid_strict_mode, @@time_zone")
        settings = cursor.fetchone()
        cursor.execute("select user from mysql.user where user <> 'mariadb.sys'")
        users = cursor.fetchall()

    assert settings == (1, "ROW", "FULL", 1, "+00:00")
    assert users == (("frazil",),)
