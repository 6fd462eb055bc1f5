"""Where notices go: e-mail, Slack, SNS and what else apprise knows, by addresses that hold secrets."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apprise import Apprise

log = logging.getLogger(__name__)


def channels(addresses: Iterable[str], of: str) -> "Apprise":
    """All that can be read of `addresses`; the others are logged by their number, from 0 on, as `of`'s."""
    import apprise

    found = apprise.Apprise()
    its_own = logging.getLogger("apprise")
    its_own.disabled = True  # it would write down an address that it cannot read, secrets and all
    readable = [found.add(address) for address in addresses]
    its_own.disabled = False
    for number, is_readable in enumerate(readable):
        if not is_readable:
            log.error("notification_address_unreadable", extra={"of": of, "number": number})
    return found
