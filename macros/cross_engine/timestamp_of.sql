{#- timestamp_of(expression): text as `utc_text_of` writes it, as a timestamp; null stays null. -#}
{% macro timestamp_of(expression) -%}
    {{ return(adapter.dispatch('timestamp_of', 'frazil')(expression)) }}
{%- endmacro %}

{% macro spark__timestamp_of(expression) -%}
    cast(concat({{ expression }}, ' UTC') as timestamp)
{%- endmacro %}

{% macro trino__timestamp_of(expression) -%}
    cast(concat({{ expression }}, ' UTC') as timestamp(6) with time zone)
{%- endmacro %}
