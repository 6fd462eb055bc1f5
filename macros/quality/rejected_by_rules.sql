{#-
rejected_by_rules(table): one row per broken rule and event of a raw table that this model has not read yet. `id` is the
column of the source's own id.
-#}
{% macro rejected_by_rules(table, id='id') -%}
    {%- set relation = source('raw', table) -%}
    {%- set rules = dict(reject_rules(table), **partial_reject_rules(table)) -%}
    {%- set is_hubspot = table.startswith('hubspot') -%}
    {%- if is_unchanged(relation) -%}
    select
        cast(null as {{ dbt.type_string() }}) as _event_id,
        cast(null as {{ dbt.type_string() }}) as rule,
        '{{ relation_name(relation) }}' as source_table,
        cast(null as {{ dbt.type_string() }}) as record_id
    from {{ relation }} {{ since_watermark(relation) }}
    {%- else -%}
    select
        _event_id,
        rule,
        '{{ relation_name(relation) }}' as source_table,
        record_id
    from (
        select
            _event_id,
            {%- for rule, condition in rules.items() %}
            case when {{ condition }} then '{{ rule }}' end as {{ rule }},
            {%- endfor %}
            cast({{ 'object_id' if is_hubspot else id }} as {{ dbt.type_string() }}) as record_id
        from (
            select * from {{ relation }} {{ since_watermark(relation) }}
        ) as events
        {{ "where _op <> 'd'" if not is_hubspot }}
    ) as checked
    {{ each_of(rules.keys() | list, 'rule') }}
    where rule is not null
    {%- endif -%}
{%- endmacro %}
