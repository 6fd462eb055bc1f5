"""Charges, customers, refunds and payment intents in Stripe's event envelope: minor units, epoch seconds."""

from typing import Any

import msgspec

from ingestion.webhooks.generator.ids import token
from ingestion.webhooks.generator.orders import Order, Payment, Refund
from ingestion.webhooks.generator.people import Person, written_email, written_phone
from ingestion.webhooks.generator.request import Request

API_VERSION = "2026-06-24.dahlia"
_KUWAIT_STEP = 10


def stripe_request(
    kind: str,
    body: dict[str, Any],
    at: int,
    *what: int | str,
    live: bool = True,
    previous: dict[str, Any] | None = None,
) -> Request:
    """An event of one type; `what` beside the type makes its id. The body is indented, as Stripe sends it."""
    data: dict[str, Any] = {"object": body}
    if previous is not None:
        data["previous_attributes"] = previous
    event = {
        "id": token("evt_1", 23, kind, *what),
        "object": "event",
        "api_version": API_VERSION,
        "created": at,
        "data": data,
        "livemode": live,
        "pending_webhooks": 1,
        "request": {"id": token("req_", 14, kind, *what), "idempotency_key": None},
        "type": kind,
    }
    headers = {"content-type": "application/json; charset=utf-8", "user-agent": "Stripe/1.0 (+https://example.com)"}
    text = msgspec.json.format(msgspec.json.encode(event), indent=2)
    return Request("stripe", headers, text, keys=(str(body.get("id")),))


def customer_id(seed: int, who: Person) -> str | None:
    """The person's id at Stripe, if Stripe knows the person."""
    return token("cus_", 14, seed, who.number) if who.in_stripe else None


def customer_body(seed: int, who: Person, created: int, *, live: bool = True) -> dict[str, Any]:
    """The customer object."""
    return {
        "id": customer_id(seed, who),
        "object": "customer",
        "address": _address(who),
        "balance": 0,
        "created": created,
        "currency": who.shop.currency.code.lower(),
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": written_email(who, "stripe"),
        "invoice_prefix": token("", 8, "invoice", seed, who.number).upper(),
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": live,
        "metadata": {},
        "name": who.name if who.number % 5 else None,
        "next_invoice_sequence": 1,
        "phone": written_phone(who, "stripe") if who.number % 3 != 1 else None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def minor_units(order: Order, amount: int) -> int:
    """The amount as Stripe takes it: three-decimal currencies end in 0."""
    if order.shop.currency.digits == 3:
        return (amount + _KUWAIT_STEP // 2) // _KUWAIT_STEP * _KUWAIT_STEP
    return amount


def charge_body(order: Order, payment: Payment) -> dict[str, Any]:
    """One attempt to charge a card; every fourth customer comes expanded to an object."""
    who, words = order.buyer, (order.seed, order.number, payment.part)
    amount, charge_id = minor_units(order, payment.amount), charge_id_of(order, payment)
    known = customer_id(order.seed, who)
    expanded = known is not None and order.number % 4 == 0
    failed = not payment.succeeded
    refunded = minor_units(order, payment.refunded)
    return {
        "id": charge_id,
        "object": "charge",
        "amount": amount,
        "amount_captured": 0 if failed else amount,
        "amount_refunded": refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None if failed else token("txn_3", 23, *words),
        "billing_details": {
            "address": _address(who),
            "email": written_email(who, "stripe"),
            "name": who.name,
            "phone": written_phone(who, "stripe"),
            "tax_id": None,
        },
        "calculated_statement_descriptor": "ICEHOUSE EXAMPLE",
        "captured": not failed,
        "created": payment.at,
        "currency": order.shop.currency.code.lower(),
        "customer": customer_body(order.seed, who, order.created_at) if expanded else known,
        "description": _description(order),
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": "card_declined" if failed else None,
        "failure_message": "Your card was declined." if failed else None,
        "fraud_details": {},
        "livemode": not order.is_test,
        "metadata": _metadata(order),
        "on_behalf_of": None,
        "outcome": {
            "network_status": "declined_by_network" if failed else "approved_by_network",
            "reason": "generic_decline" if failed else None,
            "risk_level": "normal",
            "risk_score": 7 + order.number % 40,
            "seller_message": "The bank declined the payment." if failed else "Payment complete.",
            "type": "issuer_declined" if failed else "authorized",
        },
        "paid": not failed,
        "payment_intent": _intent_id(order),
        "payment_method": token("pm_1", 23, *words),
        "payment_method_details": _card(order),
        "receipt_email": written_email(who, "stripe") if order.number % 2 else None,
        "receipt_number": None,
        "receipt_url": None if failed else f"https://pay.example.com/receipts/{charge_id}",
        "refunded": bool(refunded) and refunded >= amount,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "failed" if failed else "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def charge_id_of(order: Order, payment: Payment) -> str:
    """The id of one attempt to charge."""
    return token("ch_3", 23, order.seed, order.number, payment.part)


def refund_body(order: Order, payment: Payment, refund: Refund, status: str) -> dict[str, Any]:
    """A refund of one charge."""
    refund_id = token("re_3", 23, order.seed, refund.refund_id)
    return {
        "id": refund_id,
        "object": "refund",
        "amount": minor_units(order, refund.amount),
        "balance_transaction": token("txn_4", 23, order.seed, refund.refund_id),
        "charge": charge_id_of(order, payment),
        "created": refund.at,
        "currency": order.shop.currency.code.lower(),
        "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
        "failure_reason": "expired_or_canceled_card" if status == "failed" else None,
        "metadata": _metadata(order),
        "payment_intent": _intent_id(order),
        "reason": "requested_by_customer",
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }


def intent_body(order: Order, status: str, received: int) -> dict[str, Any]:
    """The payment intent of an order."""
    amount = minor_units(order, order.total)
    paid = [payment for payment in order.payments if payment.succeeded]
    return {
        "id": _intent_id(order),
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": minor_units(order, received),
        "application": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{_intent_id(order)}_secret_not_one",
        "confirmation_method": "automatic",
        "created": order.created_at,
        "currency": order.shop.currency.code.lower(),
        "customer": customer_id(order.seed, order.buyer),
        "description": _description(order),
        "last_payment_error": None,
        "latest_charge": charge_id_of(order, paid[-1]) if paid else None,
        "livemode": not order.is_test,
        "metadata": _metadata(order),
        "next_action": None,
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "setup_future_usage": None,
        "shipping": None,
        "status": status,
        "transfer_group": None,
    }


def _metadata(order: Order) -> dict[str, str]:
    return {"plan": "monthly ice"} if order.is_subscription else {"order_id": str(order.order_id)}


def _description(order: Order) -> str:
    return "Icehouse subscription" if order.is_subscription else f"Icehouse order #{1000 + order.number}"


def _intent_id(order: Order) -> str:
    return token("pi_3", 23, order.seed, order.number)


def _address(who: Person) -> dict[str, Any]:
    home = who.address
    return {
        "city": home.city,
        "country": home.country_code,
        "line1": home.line1,
        "line2": home.line2,
        "postal_code": home.postal_code,
        "state": home.province_code or None,
    }


def _card(order: Order) -> dict[str, Any]:
    return {
        "card": {
            "amount_authorized": minor_units(order, order.total),
            "brand": "visa",
            "checks": {"address_line1_check": "pass", "address_postal_code_check": "pass", "cvc_check": "pass"},
            "country": order.buyer.address.country_code,
            "exp_month": 1 + order.number % 12,
            "exp_year": 2031,
            "fingerprint": token("", 16, "card", order.buyer.number),
            "funding": "credit",
            "installments": None,
            "last4": "4242",
            "mandate": None,
            "network": "visa",
            "three_d_secure": None,
            "wallet": None,
        },
        "type": "card",
    }
