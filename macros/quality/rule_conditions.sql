{#- Conditions that reject rules are made of. None of them is ever null. -#}

{#- unknown_currency(code): the ISO 4217 code, in any case, is missing or not in `currencies`. -#}
{% macro unknown_currency(code) -%}
    (select count(*) from {{ ref('currencies') }} as known where known.currency = upper({{ code }})) = 0
{%- endmacro %}

{#-
unreadable_amount(required, optional): decimal texts that are none or too large (from 10^14 on, so that sums of a hundred fit
decimal(18, 2)), or the first one missing.
-#}
{% macro unreadable_amount(required, optional) -%}
    try_cast({{ required }} as decimal(16, 2)) is null
    {%- for amount in optional %}
        or ({{ amount }} is not null and try_cast({{ amount }} as decimal(16, 2)) is null)
    {%- endfor -%}
{%- endmacro %}

{#- unreadable_minor_units(required, optional): amounts that are as large, or the first one missing. -#}
{% macro unreadable_minor_units(required, optional) -%}
    {{ required }} is null
    {%- for amount in [required] + optional %}
        or coalesce({{ amount }} not between -9999999999999999 and 9999999999999999, false)
    {%- endfor -%}
{%- endmacro %}

{#- negative_amount(amounts): one of the texts or numbers is below zero, where it says an amount at all. -#}
{% macro negative_amount(amounts) -%}
    {%- for amount in amounts %}
        {{ 'or ' if not loop.first }}coalesce(try_cast({{ amount }} as decimal(18, 2)) < 0, false)
    {%- endfor -%}
{%- endmacro %}
