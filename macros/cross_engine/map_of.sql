{#- map_of(keys, values): an aggregate, the map of one column to another; keys must differ. Read it with `element_at`. -#}
{% macro map_of(keys, values) -%}
    {{ return(adapter.dispatch('map_of', 'frazil')(keys, values)) }}
{%- endmacro %}

{% macro spark__map_of(keys, values) -%}
    map_from_entries(collect_list(struct({{ keys }}, {{ values }})))
{%- endmacro %}

{% macro trino__map_of(keys, values) -%}
    map_agg({{ keys }}, {{ values }})
{%- endmacro %}
