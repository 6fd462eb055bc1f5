{#- first_group(): how the replacement of `replaced_all` names the first group of its pattern. -#}
{% macro first_group() -%}
    {{ return(adapter.dispatch('first_group', 'frazil')()) }}
{%- endmacro %}

{% macro spark__first_group() -%}
    $1
{%- endmacro %}

{% macro trino__first_group() -%}
    $1
{%- endmacro %}
