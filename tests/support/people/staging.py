"""Generated records as rows of the staging tables that the entity models read, as if the sources had sent them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import In, Reference

from tests.support.lake import Lake

TABLES = {
    "shopify": "stg_shopify_customers",
    "stripe": "stg_stripe_customers",
    "hubspot": "stg_hubspot_contacts",
    "shop": "stg_shop_users",
}
_KEYS = {"shopify": "customer_id", "stripe": "customer_id", "hubspot": "contact_id", "shop": "user_id"}
_CHUNK = 10_000


def stage(
    catalog: Catalog,
    records: pa.Table,
    *,
    replace: bool = False,
    deleted: bool = False,
    merged_into: str | None = None,
) -> None:
    """Append `records` to their staging tables, which dbt has made; one commit per table.

    `replace` takes the rows of the same keys out in the same commit: an update, or with `deleted` a soft delete.
    Contacts of HubSpot may be `merged_into` another one.
    """
    now = datetime.now(UTC)
    for source, name in TABLES.items():
        part = records.filter(pc.equal(records["source"], source))
        if part.num_rows == 0:
            continue
        table = catalog.load_table(f"staging.{name}")
        rows = _rows(source, part, table.schema().as_arrow(), now, deleted or merged_into is not None)
        if merged_into is not None:
            place = rows.schema.get_field_index("merged_into_id")
            rows = rows.set_column(place, "merged_into_id", _all(merged_into, rows.num_rows))
        with table.transaction() as transaction:
            if replace:
                ids = rows[_KEYS[source]].to_pylist()
                for start in range(0, len(ids), _CHUNK):
                    transaction.delete(In(term=Reference(_KEYS[source]), values=ids[start : start + _CHUNK]))
            transaction.append(rows)


def _rows(source: str, records: pa.Table, schema: pa.Schema, now: datetime, deleted: bool) -> pa.Table:
    count = records.num_rows
    values: dict[str, Any] = {
        **{name: records[name] for name in ("email", "phone", "first_name", "last_name", "company")},
        **{name: records[name] for name in ("address", "city", "postal_code", "country")},
        "full_name": records["name"],
        **_key(source, records["source_id"]),
        **dict.fromkeys(("created_at", "updated_at", "_loaded_at", "_received_at", "_staged_at"), _all(now, count)),
        "deleted_at": _all(now if deleted else None, count),
        "is_deleted": _all(deleted, count),
        **dict.fromkeys(("is_live", "is_active", "_is_partial"), _all(True, count)),
        **dict.fromkeys(("is_erased", "is_delinquent", "has_verified_email", "is_tax_exempt"), _all(False, count)),
        "_position": _all(f"{now:%Y%m%d%H%M%S%f}", count),
        "_raw_id": records["source_id"],
    }
    columns = [
        pa.chunked_array(_chunks(values[field.name])).cast(field.type)
        if field.name in values
        else pa.nulls(count, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema([field.with_nullable(True) for field in schema]))


def _key(source: str, ids: pa.ChunkedArray) -> dict[str, Any]:
    if source != "hubspot":
        return {_KEYS[source]: ids}
    parts = [one.split(":", 1) for one in ids.to_pylist()]
    return {"portal_id": pa.array([part[0] for part in parts]), "contact_id": pa.array([part[1] for part in parts])}


def _all(value: object, count: int) -> pa.Array:
    return pa.array([value] * count)


def _chunks(values: pa.Array | pa.ChunkedArray) -> Sequence[pa.Array]:
    chunks: Sequence[pa.Array] = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    return chunks


def make_tables(lake: Lake) -> None:
    """The staging tables of customers as dbt makes them, empty."""
    lake.land([])
    lake.dbt("run", "--select", *(f"+{name}" for name in (*TABLES.values(), "stg_shopify_customer_merges")))
