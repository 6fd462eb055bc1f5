{#- json_rows(columns, relation): a query of one text: `@`, and the rows of a relation as JSON, each a list of texts or nulls. -#}
{% macro json_rows(columns, relation) -%}
    {{ return(adapter.dispatch('json_rows', 'frazil')(columns, relation)) }}
{%- endmacro %}

{% macro spark__json_rows(columns, relation) -%}
    select concat('@', to_json(collect_list({{ array_of(columns) }}))) from {{ relation }}
{%- endmacro %}

{% macro trino__json_rows(columns, relation) -%}
    select
        concat(
            '@',
            coalesce(json_format(cast(array_agg({{ array_of(columns) }}) as json)), '[]')
        )
    from {{ relation }}
{%- endmacro %}

{#- rows_of_json(text): what stands behind `from`: such rows as a relation with one column, `kept`, an array of texts. -#}
{% macro rows_of_json(text) -%}
    {{ return(adapter.dispatch('rows_of_json', 'frazil')(text)) }}
{%- endmacro %}

{% macro spark__rows_of_json(text) -%}
    (
        select explode(from_json({{ text_literal(text) }}, 'array<array<string>>', map('mode', 'FAILFAST'))) as kept
    ) as kept_rows
{%- endmacro %}

{% macro trino__rows_of_json(text) -%}
    unnest(cast(json_parse('{{ text | replace("'", "''") }}') as array(array(varchar)))) as kept_rows (kept)
{%- endmacro %}
