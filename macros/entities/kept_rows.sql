{#-
kept_rows(name, sql, columns, if_few): as `cached_step`, but up to 2,000 rows are kept as literals: what is computed from
them is then planned in no time, where a kept query would be planned again with all that it was computed from. `columns` are
the query's columns and their types. Without `if_few` nobody looks how many rows there are.
-#}
{% macro kept_rows(name, sql, columns, if_few=true) %}
    {% if not execute or not is_building() or not if_few %}
        {% do return(cached_step(name, sql)) %}
    {% endif %}
    {% set texts = [] %}
    {% for column, type in columns.items() %}
        {% do texts.append("concat('@', " ~ (utc_text_of(column) if type == 'timestamp' else 'cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ ')') ~ ')') %}
    {% endfor %}
    {% set rows = run_query('select ' ~ texts | join(', ') ~ ' from (\n' ~ sql ~ '\n) as kept limit 2001').rows %}
    {% if rows | length > 2000 %}
        {% do return(cached_step(name, sql)) %}
    {% endif %}
    {% do return(literal_rows(rows, columns)) %}
{% endmacro %}

{% macro literal_rows(rows, columns) -%}
    (
        select
            {%- for column, type in columns.items() %}
            cast({{ column }} as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        from (
            values
            {%- for row in rows %}
            ({% for value in row %}{{ text_literal(marked_value(value)) }}{{ ', ' if not loop.last }}{% endfor %}){{ ',' if not loop.last }}
            {%- else %}
            ({% for column in columns %}null{{ ', ' if not loop.last }}{% endfor %})
            {%- endfor %}
        ) as kept ({{ columns | join(', ') }})
        {%- if not rows %}
        where false
        {%- endif %}
    )
{%- endmacro %}

{#- are_few(relation): whether `kept_rows` gave literals. -#}
{% macro are_few(relation) %}
    {% do return(relation.startswith('(') and is_building()) %}
{% endmacro %}
