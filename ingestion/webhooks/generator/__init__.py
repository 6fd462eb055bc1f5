"""An invented business and the webhooks it causes: the same seed gives the same bytes.

Everything is obviously made up: example.com addresses and telephone numbers in area code 555.
"""

from ingestion.webhooks.generator.business import business, order_updates
from ingestion.webhooks.generator.faults import Faults
from ingestion.webhooks.generator.request import Outcome, Request, Signing

__all__ = ["Faults", "Outcome", "Request", "Signing", "business", "order_updates"]
