"""HubSpot's deliveries: arrays of change events, never the contact itself."""

from typing import Any

import msgspec

from ingestion.webhooks.generator.ids import digest
from ingestion.webhooks.generator.people import Person, company_name, written_email, written_phone
from ingestion.webhooks.generator.request import Request

PORTAL_ID, APP_ID = 62_515_001, 543_210
Change = dict[str, Any]
"""One notification, as it stands in the array."""

_OBJECT_TYPES = {"contact": "0-1", "company": "0-2"}
_SUBSCRIPTIONS = ("creation", "propertyChange", "deletion", "merge", "privacyDeletion", "restore")
_GENERIC = ("creation", "propertyChange", "deletion", "merge")


def contact_id(seed: int, who: Person, *, twin: bool = False) -> int:
    """The id of a person's record; some people have a second one until the two are merged."""
    return 100_000 + (seed % 1000) * 10**9 + who.number * 10 + twin


def company_id(seed: int, number: int) -> int:
    """The id of a business customer's record."""
    return 900_000_000_000 + (seed % 1000) * 10**9 + number


def change(entity: str, object_id: int, kind: str, at_ms: int, *, generic: bool = False, **more: Any) -> Change:
    """One change event. `generic`: the newer `object.*` form with `objectTypeId` instead of `contact.*`."""
    newer = generic and kind in _GENERIC
    event: Change = {
        "eventId": digest("hubspot", object_id, kind, at_ms, *map(str, more.values())) % 2**31,
        "subscriptionId": 2_000_000 + 10 * list(_OBJECT_TYPES).index(entity) + _SUBSCRIPTIONS.index(kind),
        "portalId": PORTAL_ID,
        "appId": APP_ID,
        "occurredAt": at_ms,
        "subscriptionType": f"{'object' if newer else entity}.{kind}",
        "attemptNumber": 0,
        "objectId": object_id,
        "changeSource": "CRM",
    }
    if newer:
        event["objectTypeId"] = _OBJECT_TYPES[entity]
    if kind == "creation":
        event["changeFlag"] = "NEW"
    elif kind == "deletion":
        event["changeFlag"] = "DELETED"
    return event | more


def created_contact(seed: int, who: Person, at: int, *, twin: bool = False) -> list[Change]:
    """A new contact: its creation and one change per property."""
    object_id, at_ms = contact_id(seed, who, twin=twin), at * 1000
    system = "hubspot_twin" if twin else "hubspot"
    properties = {
        "email": written_email(who, system),
        "firstname": who.first_name,
        "lastname": who.last_name,
        "lifecyclestage": "lead",
    }
    if who.number % 4:
        properties["phone"] = written_phone(who, system)
    if who.company is not None:
        properties["company"] = company_name(who.company)
    generic = who.number % 5 == 0
    changes = [change("contact", object_id, "creation", at_ms, generic=generic)]
    return changes + [
        property_change("contact", object_id, at_ms + 1 + place, name, value, generic=generic)
        for place, (name, value) in enumerate(properties.items())
    ]


def created_company(seed: int, number: int, at: int) -> list[Change]:
    """A new company with its name, web domain, city and telephone number."""
    object_id, at_ms, generic = company_id(seed, number), at * 1000, number % 3 == 0
    properties = {
        "name": company_name(number),
        "domain": f"company-{number}.example.com",
        "city": "Duluth",
        "phone": f"+1555{1_000_000 + number:07d}",
    }
    changes = [change("company", object_id, "creation", at_ms, generic=generic)]
    return changes + [
        property_change("company", object_id, at_ms + 1 + place, name, value, generic=generic)
        for place, (name, value) in enumerate(properties.items())
    ]


def property_change(entity: str, object_id: int, at_ms: int, name: str, value: str, *, generic: bool = False) -> Change:
    """A property took a new value."""
    return change(entity, object_id, "propertyChange", at_ms, generic=generic, propertyName=name, propertyValue=value)


def merged_contacts(seed: int, who: Person, at: int) -> Change:
    """The person's second record ends in the first."""
    primary, other = contact_id(seed, who), contact_id(seed, who, twin=True)
    return change(
        "contact",
        primary,
        "merge",
        at * 1000,
        primaryObjectId=primary,
        mergedObjectIds=[other],
        newObjectId=primary,
        numberOfPropertiesMoved=3,
    )


def hubspot_request(changes: list[Change], *, attempt: int = 0) -> Request:
    """One delivery; on a retry every element has the attempt's number and nothing else differs."""
    elements = [item | {"attemptNumber": attempt} for item in changes]
    headers = {"content-type": "application/json", "user-agent": "HubSpot Connect 2.0 (https://example.com)"}
    keys = tuple(dict.fromkeys(str(item["objectId"]) for item in changes))
    return Request("hubspot", headers, msgspec.json.encode(elements), rows=len(elements), keys=keys)
