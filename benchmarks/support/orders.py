"""Shopify orders of about 6 KB, signed."""

import json
from pathlib import Path
from typing import Any

from ingestion.settings import PROJECT_ROOT
from ingestion.webhooks.signatures import sign
from ingestion.webhooks.sources import SourceConfig, load_source

SECRET = "hush-benchmark"


def shopify(config_dir: Path = PROJECT_ROOT / "config") -> SourceConfig:
    return load_source(config_dir / "webhooks" / "shopify.yaml", {"SHOPIFY_WEBHOOK_SECRET": SECRET})


def order(number: int, size: int = 6_000) -> bytes:
    """An order of at least `size` bytes; `number` is its id."""
    document = {**shopify_example(), "id": 5_000_000_000_000 + number, "order_number": number}
    line = document["line_items"][0]
    document["line_items"] = []
    while len(body := json.dumps(document, separators=(",", ":")).encode()) < size:
        place = len(document["line_items"])
        properties = [{"name": f"engraving {place}", "value": "Ice is water that waits. Čekající voda."}]
        document["line_items"].append({**line, "id": line["id"] + place, "properties": properties})
    return body


def shopify_example() -> dict[str, Any]:
    body: dict[str, Any] = shopify().example.body
    return body


def signed_orders(count: int) -> list[tuple[str, bytes]]:
    """Signature and body of `count` different orders."""
    source = shopify()
    bodies = [order(number) for number in range(count)]
    return [(sign(source, body, 0.0)["x-shopify-hmac-sha256"], body) for body in bodies]
