{#-
reject_rules(table): what makes an event of a raw table unusable, as {rule: condition over the raw row `events`}; no
condition is ever null. Staging passes such events over (`is_valid`) and `rejected_rows` lists them. Deletes that carry
no values are never rejected.
-#}
{% macro reject_rules(table) %}
    {% if table == 'shopify_orders' %}
        {% do return({
            'unknown_currency': unknown_currency('events.currency'),
            'unreadable_amount': unreadable_amount('events.total_price', [
                'events.subtotal_price',
                'events.total_tax',
                'events.total_discounts',
                json_value('events.total_shipping_price_set', 'shop_money.amount'),
            ]),
            'negative_amount': negative_amount(['events.total_price']),
            'no_time': 'events.created_at is null',
        }) %}
    {% elif table == 'shopify_refunds' %}
        {% set transactions = refund_transactions('events.transactions') %}
        {% do return({
            'unknown_currency': 'coalesce(cardinality(' ~ transactions ~ '), 0) > 0 and '
                ~ unknown_currency(currency_of(transactions)),
            'mixed_currencies': has_mixed_currencies(transactions),
            'unreadable_amount': 'events.transactions is not null and '
                ~ 'try_cast(' ~ sum_of_elements(succeeded_only(transactions), 'amount') ~ ' as decimal(16, 2)) is null',
            'negative_amount': any_element(
                succeeded_only(transactions), negative_amount([json_value('element', 'amount')])
            ),
            'no_time': 'coalesce(events.processed_at, events.created_at) is null',
        }) %}
    {% elif table in ['stripe_charges', 'stripe_refunds', 'stripe_payment_intents'] %}
        {% set others = {
            'stripe_charges': ['events.amount_captured', 'events.amount_refunded'],
            'stripe_payment_intents': ['events.amount_received'],
        }.get(table, []) %}
        {% do return({
            'unknown_currency': unknown_currency('events.currency'),
            'unreadable_amount': unreadable_minor_units('events.amount', others),
            'negative_amount': negative_amount(['events.amount'] + others),
            'no_time': 'events.created is null',
        }) %}
    {% elif table in ['hubspot_contacts', 'hubspot_companies'] %}
        {% do return(hubspot_rules()) %}
    {% elif table == 'delivery_food_orders' %}
        {% do return({
            'missing_id': 'events.order_id is null',
            'negative_amount': 'coalesce(events.amount < 0, false)',
        }) %}
    {% endif %}
    {{ exceptions.raise_compiler_error('no reject rules are written for raw.' ~ table) }}
{% endmacro %}

{#- partial_reject_rules(table): as `reject_rules`, where only a part of the event is left out of staging. -#}
{% macro partial_reject_rules(table) %}
    {% set lines = json_elements('events.line_items') %}
    {% do return({
        'shopify_orders': {
            'unreadable_line': 'events.line_items is not null and ('
                ~ lines ~ ' is null or ' ~ any_element(lines, 'not (' ~ is_readable_line('element') ~ ')') ~ ')',
        },
    }.get(table, {})) %}
{% endmacro %}
