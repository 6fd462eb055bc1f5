{#-
resolved_components(edges, tiers, is_small): which records are one entity, as one row per linked record:

    record_key
    resolution_group  the smallest record_key that links lead to, however weak
    component_key     the smallest record_key of its entity
    bits              its strongest link within the entity
    is_cut            its group was too large or in conflict with itself, and its weakest links were cut

A group stays whole if it is within the first tier's bounds. Others are looked at in all higher tiers at once, where fewer
and fewer links hold: each record belongs to its part in the lowest tier in which that part is within bounds.
-#}
{% macro resolved_components(edges, tiers, is_small) -%}
    {%- set text = dbt.type_string() -%}
    {%- set groups = kept_rows(
        'groups',
        whole_groups(edges, tiers, is_small),
        {'record_key': text, 'component_key': text, 'is_whole': 'boolean'},
        is_small
    ) -%}
    {%- if execute and is_building() and rows_where(groups ~ ' as groups', 'not is_whole') == 0 -%}
        {%- set parts = '(select record_key, component_key, component_key as resolution_group, false as is_cut from '
            ~ groups ~ ')' -%}
    {%- else -%}
        {%- set parts = kept_rows(
            'parts',
            parts_of_groups(edges, groups, tiers, is_small),
            {'record_key': text, 'resolution_group': text, 'component_key': text, 'is_cut': 'boolean'},
            is_small
        ) -%}
    {%- endif -%}
    (
        select
            parts.record_key,
            parts.resolution_group,
            parts.component_key,
            parts.is_cut,
            max(links.bits) as bits
        from {{ parts }} as parts
        left join ({{ links_within(edges, parts) }}) as links on parts.record_key = links.record_key
        group by parts.record_key, parts.resolution_group, parts.component_key, parts.is_cut
    )
{%- endmacro %}

{% macro links_within(edges, parts) -%}
    select
        record_key,
        bits
    from (
        select edges.*
        from {{ edges }} as edges
        inner join {{ parts }} as low on edges.key_low = low.record_key
        inner join {{ parts }} as high
            on edges.key_high = high.record_key and low.component_key = high.component_key
        where edges.is_link
    ) as links_inside
    {{ each_of(['key_low', 'key_high'], 'record_key') }}
{%- endmacro %}

{#- The groups that links of any tier make, and whether each may stay whole. -#}
{% macro whole_groups(edges, tiers, is_small) -%}
    {%- set links -%}
        select {{ in_one_task(is_small) }}
            record_key,
            key_low || ' ' || key_high as link_key,
            bits as match_confidence
        from {{ edges }} as edges
        {{ each_of(['key_low', 'key_high'], 'record_key') }}
        where is_link
    {%- endset -%}
    {%- set components = connected_components(links, 'group') -%}
    select {{ in_one_task(is_small) }}
        components.record_key,
        components.component_key,
        components.record_count <= tiers.most_records and conflicts.component_key is null as is_whole
    from (
        select
            *,
            count(*) over (partition by component_key) as record_count
        from {{ components }} as components
    ) as components
    inner join {{ tiers }} as tiers on tiers.tier = 0
    left join (
        {{ conflicting_components(edges, components) }}
    ) as conflicts on components.component_key = conflicts.component_key
{%- endmacro %}

{#- Groups that may stay whole, and the parts of the others. -#}
{% macro parts_of_groups(edges, groups, tiers, is_small) -%}
    {%- set tier_text = 'cast(tiers.tier as ' ~ dbt.type_string() ~ ')' -%}
    {%- set links -%}
        select {{ in_one_task(is_small) }}
            record_key,
            link_key,
            bits as match_confidence
        from (
            select
                edges.bits,
                {{ tier_text }} || ':' || edges.key_low as low_node,
                {{ tier_text }} || ':' || edges.key_high as high_node,
                {{ tier_text }} || ':' || edges.key_low || ' ' || edges.key_high as link_key
            from {{ edges }} as edges
            inner join {{ groups }} as cut_groups
                on edges.key_low = cut_groups.record_key and not cut_groups.is_whole
            inner join {{ tiers }} as tiers on tiers.tier > 0 and edges.bits >= tiers.least_bits
            where edges.is_link
        ) as links_in_tiers
        {{ each_of(['low_node', 'high_node'], 'record_key') }}
    {%- endset -%}
    {%- set components -%}
        (
            select
                substr(record_key, position(':' in record_key) + 1) as record_key,
                cast(split_part(record_key, ':', 1) as int) as tier,
                component_key
            from {{ connected_components(links, 'part') }} as nodes
        )
    {%- endset -%}
    select
        *,
        count(*) over (partition by component_key) < count(*) over (partition by resolution_group) as is_cut
    from (
        select {{ in_one_task(is_small) }}
            cut_groups.record_key,
            cut_groups.component_key as resolution_group,
            case
                when cut_groups.is_whole then cut_groups.component_key
                else coalesce(chosen.component_key, cut_groups.record_key)
            end as component_key
        from {{ groups }} as cut_groups
        left join (
            select
                components.record_key,
                min_by(
                    substr(components.component_key, position(':' in components.component_key) + 1), components.tier
                ) as component_key
            from (
                select
                    components.*,
                    count(*) over (partition by components.component_key) as record_count
                from {{ components }} as components
            ) as components
            inner join {{ tiers }} as tiers
                on components.tier = tiers.tier and components.record_count <= tiers.most_records
            left join (
                {{ conflicting_components(edges, components) }}
            ) as conflicts on components.component_key = conflicts.component_key
            where conflicts.component_key is null or components.tier = 99
            group by components.record_key
        ) as chosen on cut_groups.record_key = chosen.record_key
    ) as parts
{%- endmacro %}

{% macro conflicting_components(edges, components) -%}
    select distinct low.component_key
    from {{ edges }} as edges
    inner join {{ components }} as low on edges.key_low = low.record_key
    inner join {{ components }} as high
        on edges.key_high = high.record_key and low.component_key = high.component_key
    where edges.is_conflict
{%- endmacro %}
