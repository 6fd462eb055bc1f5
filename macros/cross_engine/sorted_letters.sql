{#- sorted_letters(text): its letters as a sorted array: equal for texts that differ in the order of letters alone. -#}
{% macro sorted_letters(text) -%}
    {{ return(adapter.dispatch('sorted_letters', 'frazil')(text)) }}
{%- endmacro %}

{% macro spark__sorted_letters(text) -%}
    array_sort(split({{ text }}, ''))
{%- endmacro %}

{% macro trino__sorted_letters(text) -%}
    array_sort(regexp_extract_all({{ text }}, '.'))
{%- endmacro %}
