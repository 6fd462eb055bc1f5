{#-
counted_entities(): figures of the whole index (source `all`) and of each source, as `entity_resolution_stats` has them. In one
pass with a row per entity: a row per entity and source would be sorted twice.
-#}
{% macro counted_entities() -%}
    {%- set parts = ['all'] + record_sources() -%}
    {%- set quoted_parts = [] -%}
    {%- for part in parts -%}
        {%- do quoted_parts.append("'" ~ part ~ "'") -%}
    {%- endfor -%}
    {%- set figures = [
        'record_count', 'matched_record_count', 'entity_count', 'multi_source_entity_count', 'largest_entity_record_count',
    ] -%}
    select
        source
        {%- for figure in figures %},
        case source
            {%- for part in parts %}
            when '{{ part }}' then {{ part }}_{{ figure }}
            {%- endfor %}
        end as {{ figure }}
        {%- endfor %}
    from (
        select
            {%- for part in parts %}
            sum({{ part }}_size) as {{ part }}_record_count,
            sum(case when all_size > 1 then {{ part }}_size else 0 end) as {{ part }}_matched_record_count,
            sum(case when {{ part }}_size > 0 then 1 else 0 end) as {{ part }}_entity_count,
            sum(case when {{ part }}_size > 0 and source_count > 1 then 1 else 0 end) as {{ part }}_multi_source_entity_count,
            max(case when {{ part }}_size > 0 then all_size end) as {{ part }}_largest_entity_record_count
            {{- ',' if not loop.last }}
            {%- endfor %}
        from (
            {{ sizes_of_entities() }}
        ) as entities
    ) as totals
    {{ each_of(quoted_parts, 'source') }}
{%- endmacro %}

{% macro sizes_of_entities() -%}
    select
        *,
        {% for source in record_sources() -%}
            {{ '+ ' if not loop.first }}case when {{ source }}_size > 0 then 1 else 0 end
        {% endfor -%}
        as source_count
    from (
        select
            entity_id,
            count(*) as all_size
            {%- for source in record_sources() %},
            sum(case when source = '{{ source }}' then 1 else 0 end) as {{ source }}_size
            {%- endfor %}
        from {{ ref('entity_index') }} {{ pinned(ref('entity_index')) }}
        group by entity_id
    ) as entities
{%- endmacro %}
