{#- array_of(expressions): an array of them. -#}
{% macro array_of(expressions) -%}
    {{ return(adapter.dispatch('array_of', 'frazil')(expressions)) }}
{%- endmacro %}

{% macro spark__array_of(expressions) -%}
    array({{ expressions | join(', ') }})
{%- endmacro %}

{% macro trino__array_of(expressions) -%}
    array[{{ expressions | join(', ') }}]
{%- endmacro %}
