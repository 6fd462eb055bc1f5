{#-
small_side(name): behind `select`, says that one side of its join is small where the engine does not see it: what is left of
a large table is estimated as if nothing had been left out, and both sides would be sorted whole.
-#}
{% macro small_side(name) -%}
    {{ return(adapter.dispatch('small_side', 'frazil')(name)) }}
{%- endmacro %}

{% macro spark__small_side(name) -%}
    /*+ broadcast({{ name }}) */
{%- endmacro %}

{% macro trino__small_side(name) -%}
{%- endmacro %}
