{#-
as_it_stands(): behind the name of the table that is about to be written, where rows read from it are kept: the table as it is
now. Spark plans all it keeps anew that reads a table that was written, unless it is said which version of it was read. In
snapshots also behind their parent's: a merge that copies cannot read through a kept query to a table without a version.
-#}
{% macro as_it_stands() -%}
    {{ return(adapter.dispatch('as_it_stands', 'frazil')()) }}
{%- endmacro %}

{% macro spark__as_it_stands() -%}
    {%- if execute and (is_building() or model.resource_type == 'snapshot') -%}
    version as of 'main'
    {%- endif -%}
{%- endmacro %}

{% macro trino__as_it_stands() -%}
{%- endmacro %}
