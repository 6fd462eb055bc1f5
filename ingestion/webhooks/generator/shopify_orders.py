"""Orders and refunds as Shopify's REST webhooks write them: money as text, ids as integers beyond 2^53."""

from typing import Any

from ingestion.webhooks.generator.ids import shopify_id, uuid
from ingestion.webhooks.generator.money import CANADIAN_CENTS_PER_DOLLAR, text
from ingestion.webhooks.generator.orders import Line, Order, Refund
from ingestion.webhooks.generator.people import written_email, written_phone
from ingestion.webhooks.generator.request import Request
from ingestion.webhooks.generator.shopify import address_body, customer_body, shopify_request, stamp


def order_request(topic: str, order: Order) -> Request:
    """The whole order as it is now."""
    return shopify_request(
        topic, order.shop, order_body(order), order.updated_at, order.order_id, order.updated_at, test=order.is_test
    )


def order_body(order: Order) -> dict[str, Any]:
    """The REST order; about 6 KB with two lines."""
    seed, who, shop = order.seed, order.buyer, order.shop
    email = written_email(who, "shopify")
    address = address_body(who, who.address)
    subtotal = sum(line.quantity * line.price for line in order.lines)
    order_token = uuid("token", order.order_id)
    discounted = order.discount > 0
    body: dict[str, Any] = {
        "id": order.order_id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order.order_id}",
        "app_id": 580111,
        "browser_ip": "192.0.2.17",
        "buyer_accepts_marketing": order.number % 3 == 0,
        "cancel_reason": "customer" if order.cancelled_at else None,
        "cancelled_at": stamp(order.cancelled_at, shop),
        "cart_token": uuid("cart", order.order_id),
        "checkout_id": order.order_id + 7,
        "checkout_token": uuid("checkout", order.order_id),
        "client_details": {
            "accept_language": "en",
            "browser_height": None,
            "browser_ip": "192.0.2.17",
            "browser_width": None,
            "session_hash": None,
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) ExampleBrowser/1.0",
        },
        "closed_at": None,
        "confirmation_number": f"ICE{order.number:06d}",
        "confirmed": True,
        "contact_email": email,
        "created_at": stamp(order.created_at, shop),
        "currency": shop.currency.code,
        "current_subtotal_price": text(order.subtotal, shop.currency),
        "current_subtotal_price_set": price_set(order, order.subtotal),
        "current_total_discounts": text(order.discount, shop.currency),
        "current_total_price": text(order.total - order.refunded, shop.currency),
        "current_total_price_set": price_set(order, order.total - order.refunded),
        "current_total_tax": text(order.tax, shop.currency),
        "customer_locale": "en",
        "discount_applications": [_discount_application(order)] if discounted else [],
        "discount_codes": [_discount_code(order)] if discounted else [],
        "email": email,
        "estimated_taxes": False,
        "financial_status": order.financial_status,
        "fulfillment_status": "fulfilled" if order.fulfilled_at else None,
        "landing_site": "/collections/winter?utm_source=newsletter&utm_campaign=first-frost",
        "location_id": None,
        "merchant_of_record_app_id": None,
        "name": f"#{1000 + order.number}",
        "note": order.note,
        "note_attributes": [
            {"name": "gift_wrap", "value": "yes" if order.number % 7 == 0 else "no"},
            {"name": "delivery_window", "value": "09:00 → 12:00"},
        ],
        "number": order.number + 1,
        "order_number": 1000 + order.number,
        "order_status_url": f"https://{shop.domain}/{shop.shop_id}/orders/{order_token}/authenticate",
        "original_total_duties_set": None,
        "payment_gateway_names": ["example_payments"],
        "phone": written_phone(who, "shopify") if order.number % 4 == 0 else None,
        "presentment_currency": "CAD" if _is_canadian(order) else shop.currency.code,
        "processed_at": stamp(order.created_at, shop),
        "referring_site": "https://www.example.com/",
        "source_name": "web",
        "subtotal_price": text(order.subtotal, shop.currency),
        "subtotal_price_set": price_set(order, order.subtotal),
        "tags": "gift, winter" if order.number % 7 == 0 else "",
        "tax_exempt": False,
        "tax_lines": _tax_lines(order, order.tax),
        "taxes_included": False,
        "test": order.is_test,
        "token": order_token,
        "total_discounts": text(order.discount, shop.currency),
        "total_discounts_set": price_set(order, order.discount),
        "total_line_items_price": text(subtotal, shop.currency),
        "total_outstanding": text(max(0, order.total - order.paid), shop.currency),
        "total_price": text(order.total, shop.currency),
        "total_price_set": price_set(order, order.total),
        "total_shipping_price_set": price_set(order, order.shipping),
        "total_tax": text(order.tax, shop.currency),
        "total_tax_set": price_set(order, order.tax),
        "total_tip_received": text(0, shop.currency),
        "total_weight": sum(line.product.grams * line.quantity for line in order.lines),
        "updated_at": stamp(order.updated_at, shop),
        "user_id": None,
        "billing_address": address,
        "fulfillments": [_fulfillment(order)] if order.fulfilled_at else [],
        "line_items": [_line_item(order, line) for line in order.lines],
        "payment_terms": None,
        "refunds": [refund_body(order, refund) for refund in order.refunds if refund.succeeded],
        "shipping_address": address,
        "shipping_lines": [_shipping_line(order)],
    }
    if not order.is_guest:
        body["customer"] = customer_body(seed, who, who.shop, order.created_at, order.updated_at)
    if order.loyalty_points is not None:
        body["loyalty_program"] = {"tier": "ice", "points": order.loyalty_points}
    return body


def refund_body(order: Order, refund: Refund) -> dict[str, Any]:
    """The REST refund: pieces sent back and the money movement, which may have failed."""
    number = order.refunds.index(refund)
    transaction_id = shopify_id("transaction", order.seed, order.number, 100 + number)
    lines = {line.line_id: line for line in order.lines}
    return {
        "id": refund.refund_id,
        "admin_graphql_api_id": f"gid://shopify/Refund/{refund.refund_id}",
        "created_at": stamp(refund.at, order.shop),
        "note": "Did not fit",
        "order_id": order.order_id,
        "processed_at": stamp(refund.at, order.shop),
        "restock": True,
        "total_duties_set": price_set(order, 0),
        "user_id": 548_380_009,
        "order_adjustments": [],
        "transactions": [
            {
                "id": transaction_id,
                "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{transaction_id}",
                "amount": text(refund.amount, order.shop.currency),
                "authorization": None,
                "created_at": stamp(refund.at, order.shop),
                "currency": order.shop.currency.code,
                "device_id": None,
                "error_code": None if refund.succeeded else "processing_error",
                "gateway": "example_payments",
                "kind": "refund",
                "location_id": None,
                "message": "Refunded" if refund.succeeded else "The bank declined the refund",
                "order_id": order.order_id,
                "parent_id": shopify_id("transaction", order.seed, order.number),
                "payment_id": f"ICE{order.number:06d}.{number}",
                "processed_at": stamp(refund.at, order.shop),
                "receipt": {},
                "source_name": "web",
                "status": "success" if refund.succeeded else "failure",
                "test": order.is_test,
                "user_id": None,
            }
        ],
        "refund_line_items": [
            _refund_line(order, lines[line_id], quantity, part)
            for part, (line_id, quantity) in enumerate(refund.quantities.items())
        ],
    }


def price_set(order: Order, minor: int) -> dict[str, Any]:
    """An amount in the shop's and in the buyer's currency."""
    currency = order.shop.currency
    shop_money = {"amount": text(minor, currency), "currency_code": currency.code}
    if not _is_canadian(order):
        return {"shop_money": shop_money, "presentment_money": shop_money}
    canadian = text(minor * CANADIAN_CENTS_PER_DOLLAR // 100, currency)
    return {"shop_money": shop_money, "presentment_money": {"amount": canadian, "currency_code": "CAD"}}


def _is_canadian(order: Order) -> bool:
    return order.buyer.address.country_code == "CA"


def _tax_lines(order: Order, minor: int) -> list[dict[str, Any]]:
    if not order.shop.tax_permille:
        return []
    return [
        {
            "channel_liable": False,
            "price": text(minor, order.shop.currency),
            "price_set": price_set(order, minor),
            "rate": order.shop.tax_permille / 1000,
            "title": order.shop.tax_name,
        }
    ]


def _line_item(order: Order, line: Line) -> dict[str, Any]:
    currency, product = order.shop.currency, line.product
    allocation = {
        "amount": text(line.discount, currency),
        "amount_set": price_set(order, line.discount),
        "discount_application_index": 0,
    }
    return {
        "id": line.line_id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line.line_id}",
        "attributed_staffs": [],
        "current_quantity": line.quantity,
        "fulfillable_quantity": 0 if order.fulfilled_at else line.quantity,
        "fulfillment_service": "manual",
        "fulfillment_status": "fulfilled" if order.fulfilled_at else None,
        "gift_card": False,
        "grams": product.grams,
        "name": f"{product.title} - {product.variant}",
        "price": text(line.price, currency),
        "price_set": price_set(order, line.price),
        "product_exists": True,
        "product_id": product.product_id,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": True,
        "sku": product.sku,
        "taxable": order.shop.tax_permille > 0,
        "title": product.title,
        "total_discount": text(0, currency),
        "total_discount_set": price_set(order, 0),
        "variant_id": product.variant_id,
        "variant_inventory_management": "shopify",
        "variant_title": product.variant,
        "vendor": "Icehouse",
        "tax_lines": _tax_lines(order, line.tax),
        "duties": [],
        "discount_allocations": [allocation] if line.discount else [],
    }


def _discount_code(order: Order) -> dict[str, str]:
    amount = text(order.discount, order.shop.currency)
    return {"code": f"FROST{order.discount_permille // 10}", "amount": amount, "type": "percentage"}


def _discount_application(order: Order) -> dict[str, str]:
    return {
        "target_type": "line_item",
        "type": "discount_code",
        "value": f"{order.discount_permille / 10:.1f}",
        "value_type": "percentage",
        "allocation_method": "across",
        "target_selection": "all",
        "code": f"FROST{order.discount_permille // 10}",
    }


def _shipping_line(order: Order) -> dict[str, Any]:
    price = text(order.shipping, order.shop.currency)
    return {
        "id": order.order_id + 11,
        "carrier_identifier": None,
        "code": "Free" if not order.shipping else "Standard",
        "discounted_price": price,
        "discounted_price_set": price_set(order, order.shipping),
        "is_removed": False,
        "phone": None,
        "price": price,
        "price_set": price_set(order, order.shipping),
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "title": "Free Shipping" if not order.shipping else "Standard",
        "tax_lines": [],
        "discount_allocations": [],
    }


def _fulfillment(order: Order) -> dict[str, Any]:
    fulfillment_id = shopify_id("fulfillment", order.seed, order.number)
    return {
        "id": fulfillment_id,
        "admin_graphql_api_id": f"gid://shopify/Fulfillment/{fulfillment_id}",
        "created_at": stamp(order.fulfilled_at, order.shop),
        "name": f"#{1000 + order.number}.1",
        "order_id": order.order_id,
        "service": "manual",
        "shipment_status": None,
        "status": "success",
        "tracking_company": "Example Parcel",
        "tracking_number": f"EX{order.order_id % 10**10:010d}",
        "updated_at": stamp(order.fulfilled_at, order.shop),
    }


def _refund_line(order: Order, line: Line, quantity: int, part: int) -> dict[str, Any]:
    subtotal = line.subtotal * quantity // line.quantity
    tax = line.tax * quantity // line.quantity
    return {
        "id": shopify_id("refund", order.seed, order.number, 500 + part),
        "line_item_id": line.line_id,
        "location_id": None,
        "quantity": quantity,
        "restock_type": "return",
        "subtotal": text(subtotal, order.shop.currency),
        "subtotal_set": price_set(order, subtotal),
        "total_tax": text(tax, order.shop.currency),
        "total_tax_set": price_set(order, tax),
    }
