{#- utc_text_of(expression): a timestamp as `yyyy-MM-dd HH:mm:ss.ffffff` in UTC; drivers hand over local times. -#}
{% macro utc_text_of(expression) -%}
    {{ return(adapter.dispatch('utc_text_of', 'frazil')(expression)) }}
{%- endmacro %}

{% macro spark__utc_text_of(expression) -%}
    date_format({{ expression }}, 'yyyy-MM-dd HH:mm:ss.SSSSSS')
{%- endmacro %}

{% macro trino__utc_text_of(expression) -%}
    format_datetime({{ expression }} at time zone 'UTC', 'yyyy-MM-dd HH:mm:ss.SSSSSS')
{%- endmacro %}
