{#-
kept_rows(name, sql, columns, as_table, after): as `kept_table`, but a few rows are kept as literals: what is computed from
them is then planned in no time. `columns` are the query's columns and their types. With as_table=false many are cached. Nobody
counts the rows of what is computed from a kept step, `after`, that has many.
-#}
{% macro kept_rows(name, sql, columns, as_table=true, after='(') %}
    {% set rows = few_rows(sql, columns) if after.startswith('(') else none %}
    {% if rows is not none %}
        {% do return(literal_rows(rows, columns)) %}
    {% endif %}
    {% do return(kept_table(name, sql) if as_table else cached_step(name, sql)) %}
{% endmacro %}

{#- many_of(relation): for `after`, that a parent's unread rows are many, because this run alone has written as many. -#}
{% macro many_of(relation) %}
    {% set is_known = execute and is_building() %}
    {% set written = run_state().written.get(relation_name(relation), 0) if is_known else 0 %}
    {% do return('many' if written > var('most_literal_rows') else '(') %}
{% endmacro %}

{#-
step_of_many(name, sql, after): as `cached_step` where `after` is a kept step of many rows, a part of the lake: of a few rows
a query costs less than keeping them, and most of a lake is not held twice.
-#}
{% macro step_of_many(name, sql, after) %}
    {% do return(cached_step(name, sql) if not after.startswith('(') and is_small_part(after) else '(\n' ~ sql ~ '\n)') %}
{% endmacro %}

{#-
few_rows(sql, columns, most): the rows of a query as lists of texts, null for null; null itself if there are more than
`most` (`var('most_literal_rows')`), or where nothing is built.
-#}
{% macro few_rows(sql, columns, most=none) %}
    {% if not execute or not is_building() %}
        {% do return(none) %}
    {% endif %}
    {% set most = var('most_literal_rows') if most is none else most %}
    {% set rows = rows_of(sql ~ ' limit ' ~ (most + 1), columns) %}
    {% do return(rows if rows | length <= most else none) %}
{% endmacro %}

{#- rows_of(sql, columns): all of them, in any order. They come as one text: dbt looks long at each value it is handed. -#}
{% macro rows_of(sql, columns) %}
    {% set texts = [] %}
    {% for column, type in columns.items() %}
        {% do texts.append(
            utc_text_of(column) if type == 'timestamp' else 'cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ ')'
        ) %}
    {% endfor %}
    {% set rows = json_rows(texts, '(\n' ~ sql ~ '\n) as kept') %}
    {% do return(fromjson(marked_value(run_query(rows).rows[0][0]))) %}
{% endmacro %}

{#- As one text too: a relation of many expressions takes longer to plan than to read. -#}
{% macro literal_rows(rows, columns) -%}
    (
        select
            {%- for column, type in columns.items() %}
            cast(element_at(kept, {{ loop.index }}) as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ rows_of_json(tojson(rows)) }}
        {%- if not rows %}
        where false
        {%- endif %}
    )
{%- endmacro %}

{#- is_small_part(kept): whether a kept step has few rows beside a large lake: few enough to be handed to each task. -#}
{% macro is_small_part(kept) %}
    {% if not execute or not is_building() or kept.startswith('(') %}
        {% do return(execute and is_building()) %}
    {% endif %}
    {% set counted = run_state().counted %}
    {% if kept not in counted %}
        {% do counted.update({kept: rows_where(kept, 'true')}) %}
    {% endif %}
    {% do return(counted[kept] <= var('most_rows_handed_out')) %}
{% endmacro %}
