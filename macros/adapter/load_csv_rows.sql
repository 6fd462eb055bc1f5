{#- A seed's rows as one query; dbt-spark's own turns empty cells into the text None and breaks on quotes. -#}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = [] -%}
    {%- for name in agate_table.column_names -%}
        {%- do types.append(
            model.config.get('column_types', {}).get(name) or adapter.convert_type(agate_table, loop.index0)
        ) -%}
    {%- endfor -%}
    select
        {%- for name in agate_table.column_names %}
        cast({{ name }} as {{ types[loop.index0] }}) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from values
        {%- for row in agate_table.rows %}
        (
            {%- for cell in row %}{{ text_literal(cell) }}{{ ', ' if not loop.last }}{% endfor -%}
        ){{ ',' if not loop.last }}
        {%- else %}
        ({{ (['null'] * types | length) | join(', ') }})
        {%- endfor %}
    as seed ({{ agate_table.column_names | join(', ') }})
    {%- if not agate_table.rows | length %}
    where false
    {%- endif %}
{%- endmacro %}

{#- text_literal(value): a cell as Spark reads it back unchanged: backslash and quote escaped, null for an empty one. -#}
{% macro text_literal(value) -%}
    {%- if value is none -%}
        null
    {%- else -%}
        '{{ value | string | replace('\\', '\\\\') | replace("'", "\\'") }}'
    {%- endif -%}
{%- endmacro %}
