{#-
cached_step(name, sql): in a run, keeps the result of `sql` for the rest of the model and returns the name to read it by;
in other commands and in unit tests, returns `sql` as a subquery. A model that caches steps ends with `drop_steps(names)`
as post-hook, and shows what they read with `reads(sql)`: the run's end looks for pinned snapshots in the compiled SQL.
-#}
{% macro cached_step(name, sql) %}
    {% set table = this.identifier ~ '__' ~ name %}
    {% if not execute %}
        {% do return(table) %}
    {% elif not is_building() %}
        {% do return('(\n' ~ sql ~ '\n)') %}
    {% endif %}
    {% do return(kept_result(table, sql)) %}
{% endmacro %}

{% macro drop_steps(names) %}
    {% if execute %}
        {% for name in names %}
            {% do drop_kept_result(this.identifier ~ '__' ~ name) %}
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
