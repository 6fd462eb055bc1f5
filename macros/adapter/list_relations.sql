{#- dbt-spark leaves views out of its listing; with them, documentation is complete and a view can become a table. -#}
{% macro spark__list_relations_without_caching(relation) %}
    {% call statement('list_tables', fetch_result=true) -%}
        show tables in {{ relation.schema }}
    {%- endcall %}
    {% call statement('list_views', fetch_result=true) -%}
        show views in {{ relation.schema }}
    {%- endcall %}
    {% set rows = [] %}
    {% for row in load_result('list_tables').table.rows if not row[2] %}
        {% do rows.append((row[0], row[1], false, 'Provider: iceberg\nType: MANAGED\n')) %}
    {% endfor %}
    {% for row in load_result('list_views').table.rows if not row[2] %}
        {% do rows.append((row[0], row[1], false, 'Type: VIEW\n')) %}
    {% endfor %}
    {% do return(rows) %}
{% endmacro %}
