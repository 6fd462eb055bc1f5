{#-
cached_step(name, sql): in a run, keeps the result of `sql` for the rest of the model and returns the name to read it by;
in other commands and in unit tests, returns `sql` as a subquery. A model that caches steps ends with `drop_steps()` as
post-hook, and shows what they read with `reads(sql)`: the run's end looks for the pinned snapshots in the compiled SQL.
-#}
{% macro cached_step(name, sql) %}
    {% set table = this.identifier ~ '__' ~ name %}
    {% if execute and not keeps_steps() %}
        {% do return('(\n' ~ sql ~ '\n)') %}
    {% elif execute %}
        {% do run_query('drop view if exists ' ~ table) %}
        {% do run_query('cache table ' ~ table ~ ' as ' ~ sql) %}
    {% endif %}
    {% do return(table) %}
{% endmacro %}

{% macro keeps_steps() %}
    {% do return(model.resource_type == 'model' and flags.WHICH in ['run', 'build']) %}
{% endmacro %}

{% macro rows_where(table, condition) %}
    {% do return(run_query('select count(*) from ' ~ table ~ ' where ' ~ condition).rows[0][0] | int) %}
{% endmacro %}

{#- reads(sql): the query of a step as a comment of one line. -#}
{% macro reads(sql) -%}
    {%- if execute and keeps_steps() -%}
        -- {{ sql.split() | join(' ') }}
    {%- endif -%}
{%- endmacro %}

{% macro drop_steps() %}
    {% if execute %}
        {% for row in run_query("show views in " ~ this.schema ~ " like '" ~ this.identifier ~ "__*'").rows %}
            {% do run_query('drop view if exists ' ~ row[1]) %}
        {% endfor %}
    {% endif %}
{% endmacro %}
