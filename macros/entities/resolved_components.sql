{#-
resolved_components(touched, edges, tiers): which records are one entity, as one row per linked record:

    record_key
    resolution_group  the smallest record_key that links lead to, however weak
    component_key     the smallest record_key of its entity
    bits              its strongest link within the entity
    is_cut            its group was too large or in conflict with itself, and its weakest links were cut

A group stays whole if it is within the first tier's bounds. Others are looked at in all higher tiers at once, where fewer
and fewer links hold: each record belongs to its part in the lowest tier in which that part is within bounds. For few
`touched` records `edges` (a query) are looked at here, without more queries; for many, each step is kept as a table.
-#}
{% macro resolved_components(touched, edges, tiers) -%}
    {%- set text = dbt.type_string() -%}
    {%- set edge_types = {
        'key_low': text, 'key_high': text, 'bits': 'decimal(9, 2)', 'is_link': 'boolean', 'is_conflict': 'boolean',
    } -%}
    {%- if are_few(touched) -%}
        {%- set tier_types = {'tier': 'int', 'least_bits': 'decimal(6, 2)', 'most_records': 'int'} -%}
        {%- set rows = components_of_rows(
            rows_of(edges, edge_types), rows_of('select * from ' ~ tiers ~ ' as tiers order by tier', tier_types)
        ) -%}
        {{ literal_rows(rows, {
            'record_key': text, 'component_key': text, 'resolution_group': text, 'is_cut': 'boolean',
            'bits': 'decimal(9, 2)',
        }) }}
    {%- else -%}
        {{ components_of_many(kept_table('edges', edges), tiers) }}
    {%- endif -%}
{%- endmacro %}

{% macro components_of_many(edges, tiers) -%}
    {%- set groups = kept_table('groups', whole_groups(edges, tiers)) -%}
    {%- set parts = kept_table('parts', parts_of_groups(edges, groups, tiers)) -%}
    (
        select
            parts.record_key,
            parts.component_key,
            parts.resolution_group,
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
{% macro whole_groups(edges, tiers) -%}
    {%- set links -%}
        select
            record_key,
            key_low || ' ' || key_high as link_key,
            bits as match_confidence
        from {{ edges }} as edges
        {{ each_of(['key_low', 'key_high'], 'record_key') }}
        where is_link
    {%- endset -%}
    {%- set components = connected_components(links, 'group') -%}
    select
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
{% macro parts_of_groups(edges, groups, tiers) -%}
    {%- set tier_text = 'cast(tiers.tier as ' ~ dbt.type_string() ~ ')' -%}
    {%- set links -%}
        select
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
        select
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
