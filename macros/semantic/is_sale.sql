{#- is_sale(): whether a row of `stg_shopify_orders` counts as a sale: a living, live order that is not cancelled. -#}
{% macro is_sale() -%}
    is_live and not is_deleted and not is_cancelled
{%- endmacro %}
