{#- What one element of a Shopify order's `line_items` says; each macro takes its JSON text. -#}

{% macro line_discount(line) -%}
    coalesce({{ allocated_discount(line) }}, 0)
{%- endmacro %}

{% macro line_tax(line) -%}
    coalesce({{ charged_tax(line) }}, 0)
{%- endmacro %}

{#- is_readable_line(line): it has an id, a price and a quantity, neither below zero, and no amount that is none; never null. -#}
{% macro is_readable_line(line) -%}
    {{ json_value(line, 'id') }} is not null
    and coalesce(try_cast({{ json_value(line, 'price') }} as decimal(18, 2)) >= 0, false)
    and coalesce(try_cast({{ json_value(line, 'quantity') }} as bigint) >= 0, false)
    and ({{ json_text(line, 'discount_allocations') }} is null or {{ allocated_discount(line) }} is not null)
    and ({{ json_text(line, 'tax_lines') }} is null or {{ charged_tax(line) }} is not null)
{%- endmacro %}

{% macro allocated_discount(line) -%}
    {{ sum_of_elements(json_elements(json_text(line, 'discount_allocations')), 'amount') }}
{%- endmacro %}

{% macro charged_tax(line) -%}
    {{ sum_of_elements(json_elements(json_text(line, 'tax_lines')), 'price') }}
{%- endmacro %}
