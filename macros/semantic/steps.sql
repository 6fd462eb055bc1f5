{#-
cached_step(name, sql): in a run, keeps the result of `sql` for the rest of the model and returns the name to read it by;
in other commands and in unit tests, returns `sql` as a subquery. A model that keeps steps ends with `drop_steps()` as
post-hook, and shows what they read with `reads(sql)`: the run's end looks for pinned snapshots in the compiled SQL.
-#}
{% macro cached_step(name, sql) %}
    {% do return(kept_step('kept_result', name, sql)) %}
{% endmacro %}

{#-
kept_table(name, sql): the same in files. Of a cached step the engine plans again all that it was computed from, in each
query that reads it: where steps stand on steps that takes longer than any work.
-#}
{% macro kept_table(name, sql) %}
    {% do return(kept_step('kept_table', name, sql)) %}
{% endmacro %}

{% macro kept_step(kind, name, sql) %}
    {% set table = this.identifier ~ '__' ~ name %}
    {% if not execute %}
        {% do return(table) %}
    {% elif not is_building() %}
        {% do return('(\n' ~ sql ~ '\n)') %}
    {% endif %}
    {% do run_state().kept.setdefault(model.unique_id, []).append((kind, table)) %}
    {% do return(kept_result(table, sql) if kind == 'kept_result' else kept_files(table, sql)) %}
{% endmacro %}

{#- The last ones first: what a step was computed from must not be planned again without it. -#}
{% macro drop_steps() %}
    {% if execute %}
        {% for kind, table in run_state().kept.pop(model.unique_id, []) | reverse %}
            {% do drop_kept_result(table) if kind == 'kept_result' else drop_kept_files(table) %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{% macro rows_where(table, condition) %}
    {% do return(run_query('select count(*) from ' ~ table ~ ' where ' ~ condition).rows[0][0] | int) %}
{% endmacro %}

{#- reads(sql): the query of a step as a comment of one line. -#}
{% macro reads(sql) -%}
    {%- if execute and is_building() -%}
        -- {{ sql.split() | join(' ') }}
    {%- endif -%}
{%- endmacro %}
