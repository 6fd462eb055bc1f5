"""The sources of this repository, with one known secret each."""

from pathlib import Path

import pytest

from ingestion.webhooks.sources import SourceConfig, load_sources

ROOT = Path(__file__).resolve().parents[3]
SECRETS = {
    "SHOPIFY_WEBHOOK_SECRET": "hush-shopify-test-secret",
    "STRIPE_WEBHOOK_SECRET": "whsec_test_secret,whsec_old_secret",
    "HUBSPOT_WEBHOOK_SECRET": "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
    "ACME_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}


@pytest.fixture(scope="session")
def sources() -> dict[str, SourceConfig]:
    return load_sources(ROOT / "config", SECRETS)
