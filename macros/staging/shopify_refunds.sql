{#- What a Shopify refund's `transactions` say. The first macro takes the JSON column, the others what it gives. -#}

{#- refund_transactions(column): the money movements of kind refund, of any status, as an array of JSON text. -#}
{% macro refund_transactions(column) -%}
    filter({{ json_elements(column) }}, element -> {{ json_value('element', 'kind') }} = 'refund')
{%- endmacro %}

{% macro succeeded_only(transactions) -%}
    filter({{ transactions }}, element -> {{ json_value('element', 'status') }} = 'success')
{%- endmacro %}

{#- Null without transactions. -#}
{% macro currency_of(transactions) -%}
    upper(array_min(transform({{ transactions }}, element -> {{ json_value('element', 'currency') }})))
{%- endmacro %}

{% macro has_mixed_currencies(transactions) -%}
    coalesce(
        cardinality(array_distinct(
            transform({{ transactions }}, element -> upper(coalesce({{ json_value('element', 'currency') }}, '')))
        )) > 1,
        false
    )
{%- endmacro %}
