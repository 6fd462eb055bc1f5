{#-
left_out(overflow): whether a database's row lacks values that its change did not touch: the log left them out, and
their place in `_raw_overflow` holds Debezium's placeholder. left_out_names(overflow, rows): the columns of which that is
so in any of the rows that a query's `from` and `where` give.
-#}
{% macro left_out(overflow) -%}
    {{ return(adapter.dispatch('left_out', 'frazil')(overflow)) }}
{%- endmacro %}

{% macro spark__left_out(overflow) -%}
    coalesce(array_contains(map_values({{ overflow }}), '{{ placeholder() }}'), false)
{%- endmacro %}

{% macro trino__left_out(overflow) -%}
    coalesce(contains(map_values({{ overflow }}), '{{ placeholder() }}'), false)
{%- endmacro %}

{% macro left_out_names(overflow, rows) -%}
    {{ return(adapter.dispatch('left_out_names', 'frazil')(overflow, rows)) }}
{%- endmacro %}

{% macro spark__left_out_names(overflow, rows) -%}
    select distinct explode(map_keys(map_filter({{ overflow }}, (name, value) -> value = '{{ placeholder() }}'))) as name
    {{ rows }}
{%- endmacro %}

{% macro trino__left_out_names(overflow, rows) -%}
    select distinct found.name
    from (select {{ overflow }} as kept {{ rows }}) as lacking
    cross join unnest(map_keys(map_filter(kept, (name, value) -> value = '{{ placeholder() }}'))) as found (name)
{%- endmacro %}

{% macro placeholder() %}{% do return('__debezium_unavailable_value') %}{% endmacro %}
