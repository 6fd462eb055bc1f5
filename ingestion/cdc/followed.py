"""The tables that a sink follows: their columns in step with the source's, their raw tables, and what copies saw."""

import logging
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from sqlalchemy.exc import SQLAlchemyError

from ingestion.bulk.dialects.base import Dialect
from ingestion.bulk.model import SourceTable
from ingestion.bulk.naming import raw_table
from ingestion.bulk.notify import follow, make
from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.announce import LONGEST
from ingestion.cdc.form import PROPERTY, Form, encoded, form_of, stored_form
from ingestion.cdc.offsets import NO_COPIES, Copies, copies_of
from ingestion.cdc.positions import Ranking, ranking
from ingestion.cdc.rows import RowBuilder
from ingestion.cdc.usual import Usual
from ingestion.cdc.values.postgres_types import Carrier
from ingestion.errors import ContractError, FrazilError, RetryableError
from ingestion.lake.append import AppendTable

log = logging.getLogger(__name__)
_ODD = re.compile(r"[^A-Za-z0-9._-]")
_AGAIN_AFTER = 5.0  # seconds between two looks at the source's columns
_TRIES = 10
_AT_ONCE = 3  # new tables that are worth a look at what raw has
_SOUGHT_AGAIN_AFTER = 60.0  # seconds until a column that the source did not have is looked for again


@dataclass
class Followed:
    """One table; `refuses_strange`: rows with columns that are not in its form go to the quarantine."""

    form: Form
    builder: RowBuilder
    raw: AppendTable
    refuses_strange: bool = False
    copies: Copies = NO_COPIES
    ranking: Ranking | None = None

    @cached_property
    def usual(self) -> Usual:
        """Reads most of its events at once."""
        return Usual(self.form)

    @property
    def name(self) -> str:
        return self.raw.name

    def look(self, dialect: str) -> Ranking:
        """How its changes are ranked now, from the raw table as this object last saw it."""
        found = copies_of(self.raw.table)
        if self.ranking is None or (found.views, found.base) != (self.copies.views, self.copies.base):
            self.ranking = ranking(dialect, found.views, found.base)
        self.copies = found
        return self.ranking


def is_waited_for(copies: Copies) -> bool:
    """Whether a copy's snapshot is being taken at this moment."""
    return copies.pending is not None and time.time() - copies.pending.at < LONGEST


class Tables:
    """All tables of one source. Methods raise RetryableError when the source must be asked and does not answer.

    Only who `publishes` changes the source: its publication gets the tables that are new.
    """

    def __init__(
        self, catalog: Catalog, source: DatabaseSource, dialect: Dialect, prefix: str, *, publishes: bool = False
    ) -> None:
        self._catalog, self._source, self._dialect, self._prefix = catalog, source, dialect, prefix
        self._publishes = publishes and source.dialect == "postgres"
        self._followed: dict[tuple[str, str], Followed] = {}
        self._names: dict[str, tuple[str, str]] = {}  # topic -> schema and table
        self._asked_at = float("-inf")
        self._found: dict[tuple[str, str], SourceTable] = {}
        self._broken: dict[tuple[str, str], ContractError] = {}
        self._sought: frozenset[tuple[str, str, str]] = frozenset()
        self._told: set[tuple[str, bool, str]] = set()  # new tables of which was told what became of them
        self._carriers: Mapping[tuple[str, str], Mapping[str, Carrier]] = {}

    def named(self, topic: str) -> tuple[str, str] | None:
        """Schema and table that a topic is about; None for a topic of another kind."""
        found = self._names.get(topic)
        if found is None and topic.startswith(f"{self._prefix}."):
            parts = topic.removeprefix(f"{self._prefix}.").split(".", 1)
            found = (parts[0], parts[1]) if len(parts) == 2 else None
        return found

    def raw_name(self, topic: str) -> str | None:
        """The raw table of a topic."""
        found = self.named(topic)
        return None if found is None else raw_table(self._source.name, *found, self._source.default_schema)

    def get(self, schema: str, name: str) -> Followed | None:
        """The table, made in raw when it is new; None if the source does not have or does not give it.

        Raises ContractError where the table's contract forbids what happened to it.
        """
        if (schema, name) in self._broken:
            raise self._broken[schema, name]
        found = self._followed.get((schema, name))
        if found is None:
            found = self._stored(schema, name) or self._fresh(schema, name)
            if found is not None and (schema, name) in self._found:
                found = self._in_step(self._found[schema, name], found)
            if found is not None:
                self._followed[schema, name] = found
        return found

    def make(self, topics: Iterable[str]) -> None:
        """Make at once the raw tables of these topics that are not there; `get` makes whatever is missing then."""
        names = {found for topic in topics if (found := self.named(topic)) is not None}
        names = {one for one in names if one not in self._followed and one not in self._broken}
        if len(names) < _AT_ONCE:
            return
        try:
            if not names <= self._found.keys():
                self._ask()
            tables = [self._found[one] for one in sorted(names & self._found.keys())]
            forms = {table.raw_name: (table, {PROPERTY: encoded(self._form(table))}) for table in tables}
            make(self._catalog, self._source, forms)
        except (RetryableError, CommitFailedException, SQLAlchemyError, OSError) as error:
            log.warning("tables_not_made", extra={"source": self._source.name, "reason": str(error), "next": "singly"})

    def ask_for(self, schema: str, name: str, strangers: frozenset[str]) -> Followed | None:
        """The table after a look at the source's columns for the sake of these; they are looked for once a minute."""
        wanted = frozenset((schema, name, one) for one in strangers)
        if not wanted <= self._sought or time.monotonic() - self._asked_at > _SOUGHT_AGAIN_AFTER:
            self.refresh()
            self._sought |= wanted
        return self.get(schema, name)

    def look_again(self) -> None:
        """A look at the source's columns, unless there was one just now or the source is away; who `publishes` lets
        the log tell of new tables, where it would not else."""
        if time.monotonic() - self._asked_at < _AGAIN_AFTER:
            return
        try:
            self.refresh()
            if self._publishes:
                self._publish_new()
        except FrazilError as error:
            self._asked_at = time.monotonic()
            log.warning("source_not_seen", extra={"source": self._source.name, "reason": str(error)})

    def refresh(self) -> None:
        """Look at the source's columns and bring forms and raw tables in step."""
        self._ask()
        for key, followed in list(self._followed.items()):
            table = self._found.get(key)
            if table is not None:
                try:
                    self._followed[key] = self._in_step(table, followed)
                    self._broken.pop(key, None)
                except ContractError as error:
                    self._broken[key] = error

    def _publish_new(self) -> None:
        from ingestion.bulk.dialects.postgres.connection import connected
        from ingestion.bulk.dialects.postgres.log import publish_new

        with connected(self._source) as connection:
            new = publish_new(connection, self._source, list(self._found.values()))
        for one in new:
            if one not in self._told:
                event = "table_published" if one.is_published else "table_not_published"
                log.warning(
                    event, extra={"source": self._source.name, "table": one.name, "next": one.advice or "nothing"}
                )
        self._told |= set(new)

    def _stored(self, schema: str, name: str) -> Followed | None:
        """As the raw table has it: the source need not be there."""
        raw_name = raw_table(self._source.name, schema, name, self._source.default_schema)
        try:
            raw = AppendTable(self._catalog, raw_name)
        except NoSuchTableError:
            return None
        form = stored_form(raw.table)
        return None if form is None else Followed(form, RowBuilder(self._source.dialect, form), raw)

    def _fresh(self, schema: str, name: str) -> Followed | None:
        if (schema, name) not in self._found:
            self._ask()
        table = self._found.get((schema, name))
        return None if table is None else self._in_step(table, None)

    def _ask(self) -> None:
        self._asked_at = time.monotonic()
        self._found = {(table.schema, table.name): table for table in self._dialect.tables(self._source)}
        self._carriers = _carriers(self._source)
        self._names |= {_topic(self._prefix, *key): key for key in self._found}

    def _in_step(self, table: SourceTable, before: Followed | None) -> Followed:
        """The table in the source's form; other processes may be bringing the raw table there as well."""
        for _ in range(_TRIES):
            try:
                return self._stepped(table, before)
            except CommitFailedException:
                time.sleep(0.05)
        raise RetryableError(f"{table.raw_name}: other writers kept changing the table")

    def _stepped(self, table: SourceTable, before: Followed | None) -> Followed:
        old = before.form if before else None
        form = self._form(table, old, old.ignored if old else ())
        if before is not None and form == before.form:
            return before
        contract = self._source.contract_of(table.schema, table.name)
        try:
            readable = follow(self._catalog, self._source, table)
        except ContractError:
            if contract != "discard_row" or before is None:
                raise
            readable, refuses = table, True
        else:
            refuses = bool(readable.watched)
        if refuses and before is not None:
            before.refuses_strange = True
            return before
        kept = {column.name for column in readable.columns}.union(readable.watched)
        ignored = tuple(column.name for column in table.columns if column.name not in kept)
        form = self._form(readable, old, ignored)
        raw = AppendTable(self._catalog, table.raw_name)
        if raw.table.properties.get(PROPERTY) != encoded(form):
            with raw.table.transaction() as transaction:
                transaction.set_properties({PROPERTY: encoded(form)})
            raw = AppendTable(self._catalog, table.raw_name)
        log.info("table_followed", extra={"source": self._source.name, "table": table.raw_name})
        return Followed(form, RowBuilder(self._source.dialect, form), raw, refuses)

    def _form(self, table: SourceTable, old: Form | None = None, ignored: tuple[str, ...] = ()) -> Form:
        return form_of(table, dict(self._carriers.get((table.schema, table.name), {})), old, ignored)


def _topic(prefix: str, schema: str, table: str) -> str:
    """As Debezium names it."""
    return _ODD.sub("_", f"{prefix}.{schema}.{table}")


def _carriers(source: DatabaseSource) -> Mapping[tuple[str, str], Mapping[str, Carrier]]:
    if source.dialect != "postgres":
        return {}
    from ingestion.bulk.dialects.postgres.connection import connect
    from ingestion.cdc.values.postgres_types import carriers

    with connect(source) as connection:
        return carriers(connection, list(source.read_schemas))
