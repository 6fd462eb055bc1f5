"""The names templates see while sqlfluff lints them, beside its own stand-ins for `ref`, `source` and the like.

What reads the lake or lists columns to write SQL (macros/incremental, macros/adapter, macros/entities) is not rendered:
short forms stand for it. A
macro with one form per engine stands as a call, or as a clause that both dialects parse.
"""

from collections.abc import Callable

execute = False

_FORMS = {
    "as_it_stands": "",
    "array_of": "coalesce(null)",
    "each_of": "cross join unnest(elements) as {1}_rows ({1})",
    "element_rows": "cross join unnest(elements) as {1}_rows ({1}, {1}_number)",
    "json_text": "json_text({0}, '{1}')",
    "json_value": "json_value({0}, '{1}')",
    "small_side": "",
}


class _Adapter:
    def dispatch(self, name: str, package: str = "") -> Callable[..., str]:
        """The macro `name` of no engine."""

        def render(*arguments: object) -> str:
            texts = [str(argument) for argument in arguments]
            return _FORMS[name].format(*texts) if name in _FORMS else f"{name}({', '.join(texts)})"

        return render

    def quote(self, name: str) -> str:
        """A plain name: quotes differ between the dialects."""
        return "quoted_name"


class _Dbt:
    def type_string(self) -> str:
        """A type both dialects know."""
        return "varchar(1)"


adapter = _Adapter()
dbt = _Dbt()


def latest_changes(relation: object, keys: str, **options: object) -> str:
    """A query of the parent."""
    return f"select * from {relation}"


def database_changes(relation: object, keys: object, **options: object) -> str:
    """A query of the parent."""
    return f"select * from {relation}"


def changed_keys(relation: object, row_key: str, columns: str, **options: object) -> str:
    """A query of the columns."""
    return f"select distinct {columns} from {relation}"


def keys_no_more(relation: object, key: str) -> str:
    """A query of no key."""
    return f"select {key} from {relation} where false"


def records_no_more(table: object, source: str, id: str) -> str:
    """Nothing."""
    return ""


def since_watermark(relation: object = None, column: str = "_loaded_at") -> str:
    """The whole parent."""
    return ""


def pinned(relation: object) -> str:
    """The whole parent."""
    return ""


def is_unchanged(relation: object) -> bool:
    """A first build."""
    return False


def relation_name(relation: object) -> str:
    """The name without its schema."""
    return str(relation)


def run_timestamp() -> str:
    """Some moment."""
    return "current_timestamp"


def rebuild_asked() -> bool:
    """An ordinary run."""
    return False


def normalized_records(records: str) -> str:
    """The records themselves."""
    return records


with_rarities = found_blocks = normalized_records


def largest_block() -> str:
    """Some number."""
    return "1"


def a_query(*arguments: object, **options: object) -> str:
    """Any query."""
    return "select * from pairs"


candidate_pairs = scored_pairs = pairs_before = pairs_no_more = touched_records = edges_among = a_query
edges_of_others = accepted_edges = members_of_entities = pair_decisions = with_merges = a_query
counted_entities = blocks_before = changed_blocks_of = stored_blocks = blocks_with_changes = a_query
blocks_of_all = comparable_records = changed_record_keys = touched_groups = values_of_records = a_query


def level_text(name: str) -> str:
    """Any text."""
    return f"cast({name}_level as varchar(1))"


def kept_rows(name: str, sql: str, columns: dict[str, str], **options: object) -> str:
    """The query as a relation."""
    return name


def many_of(relation: object) -> str:
    """Nothing is known."""
    return "("


def step_of_many(name: str, sql: str, after: str) -> str:
    """The query as a relation."""
    return name


def looked_up(rows: str) -> str:
    """The relation."""
    return rows


def is_small_part(kept: str) -> bool:
    """A first build."""
    return False


def any_rows(sql: str) -> bool:
    """There are some."""
    return True


def is_building() -> bool:
    """Nothing is built."""
    return False


def brings_only_new_keys(relation: object) -> bool:
    """Nothing is built."""
    return False


def few_rows(sql: str, columns: dict[str, str]) -> None:
    """There are many."""
    return


def bits_in_lake(offset: object) -> str:
    """The score itself."""
    return "edges.score_bits"


def match_tier(bits: str) -> str:
    """Any text."""
    return f"cast({bits} as varchar(1))"


def model_version() -> str:
    """Some version."""
    return "'0'"


def kept_moved_records() -> dict[str, str]:
    """Records of one entity and another."""
    return {"sql": a_query(), "rows": "moved"}


def if_changed(relation: object) -> str:
    """The whole parent."""
    return ""


def resolution(*arguments: object) -> str:
    """Any relation."""
    return "resolution"


def lake_size(records: object) -> dict[str, object]:
    """A small lake."""
    return {"offset_bits": 0, "is_other": False}
