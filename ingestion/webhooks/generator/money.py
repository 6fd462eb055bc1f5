"""Amounts are whole numbers of a currency's smallest unit; texts and the shops that charge them."""

from typing import NamedTuple


class Currency(NamedTuple):
    """`digits` after the point; `step` is a tidy price step and `cheapest` a low price, both in minor units."""

    code: str
    digits: int
    step: int
    cheapest: int


USD = Currency("USD", 2, 50, 495)
CAD = Currency("CAD", 2, 50, 650)
EUR = Currency("EUR", 2, 50, 490)
GBP = Currency("GBP", 2, 50, 425)
JPY = Currency("JPY", 0, 10, 680)
KWD = Currency("KWD", 3, 250, 1500)


class Shop(NamedTuple):
    """A shop sells in one currency, taxes at one rate (in thousandths) and writes times at one offset."""

    shop_id: int
    domain: str
    country: str
    currency: Currency
    tax_name: str
    tax_permille: int
    offset_minutes: int


SHOPS = (
    Shop(690933801, "icehouse-us.example.com", "US", USD, "State Tax", 60, -5 * 60),
    Shop(690933802, "icehouse-eu.example.com", "DE", EUR, "VAT", 190, 60),
    Shop(690933803, "icehouse-uk.example.com", "GB", GBP, "VAT", 200, 0),
    Shop(690933804, "icehouse-jp.example.com", "JP", JPY, "CT", 100, 9 * 60),
    Shop(690933805, "icehouse-kw.example.com", "KW", KWD, "", 0, 3 * 60),
)

SHOP_WEIGHTS = (52, 22, 11, 9, 6)

CANADIAN_CENTS_PER_DOLLAR = 136


def text(minor: int, currency: Currency) -> str:
    """1250 as '12.50', 1250 JPY as '1250', 1250 KWD as '1.250'."""
    if not currency.digits:
        return str(minor)
    sign, minor = ("-", -minor) if minor < 0 else ("", minor)
    scale: int = 10**currency.digits
    return f"{sign}{minor // scale}.{minor % scale:0{currency.digits}d}"


def permille(minor: int, rate: int) -> int:
    """`rate` thousandths of an amount, rounded half up."""
    return (minor * rate + 500) // 1000
