{#-
components_of_many(edges): which of the records of `edges` (`edges_among`, a kept table) are one entity, as a relation with one
row per record that has a link: record_key, component_key, resolution_group, is_cut and bits, as in `resolution`.
-#}
{% macro components_of_many(edges) -%}
    {%- set nodes = decided_nodes(edges) -%}
    {%- set groups = kept_table('groups', whole_groups(nodes.edges)) -%}
    {{ components_of_records(components_in_tiers(nodes.edges, groups), nodes, edges) }}
{%- endmacro %}

{% macro components_in_tiers(edges, groups) -%}
    {%- set parts = kept_table('parts', parts_of_groups(edges, groups)) -%}
    {%- set parts = with_parts_strongest_first(edges, parts) -%}
    (
        select
            *,
            count(*) over (partition by component_key) < count(*) over (partition by resolution_group) as is_cut
        from (
            select
                parts.record_key,
                parts.component_key,
                parts.resolution_group,
                max(links.bits) as bits
            from {{ parts }} as parts
            left join ({{ links_within(edges, parts) }}) as links on parts.record_key = links.record_key
            group by parts.record_key, parts.resolution_group, parts.component_key
        ) as records
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
{% macro whole_groups(edges) -%}
    {%- set links -%}
        select
            key_low as record_a,
            key_high as record_b
        from {{ edges }} as edges
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
    inner join {{ ref('er_tiers') }} as tiers on tiers.tier = 0
    left join (
        {{ conflicting_components(edges, components) }}
    ) as conflicts on components.component_key = conflicts.component_key
{%- endmacro %}

{#-
Groups that may stay whole, and the parts of the others. A record that no tier allows with others is_left, by itself.
-#}
{% macro parts_of_groups(edges, groups) -%}
    {%- set tier_text = 'cast(tiers.tier as ' ~ dbt.type_string() ~ ')' -%}
    {%- set links -%}
        select
            {{ tier_text }} || ':' || edges.key_low as record_a,
            {{ tier_text }} || ':' || edges.key_high as record_b
        from {{ edges }} as edges
        inner join {{ groups }} as cut_groups
            on edges.key_low = cut_groups.record_key and not cut_groups.is_whole
        inner join {{ ref('er_tiers') }} as tiers on tiers.tier > 0 and edges.bits >= tiers.least_bits
        where edges.is_link
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
        cut_groups.record_key,
        cut_groups.component_key as resolution_group,
        case
            when cut_groups.is_whole then cut_groups.component_key
            else coalesce({{ without_tier('chosen.component_key') }}, cut_groups.record_key)
        end as component_key,
        not cut_groups.is_whole and chosen.component_key is null as is_left
    from {{ groups }} as cut_groups
    left join (
        select
            components.record_key,
            min_by(components.component_key, components.tier) as component_key
        from (
            select
                components.*,
                count(*) over (partition by components.component_key) as record_count
            from {{ components }} as components
        ) as components
        inner join {{ ref('er_tiers') }} as tiers
            on components.tier = tiers.tier and components.record_count <= tiers.most_records
        left join (
            {{ conflicting_components(edges, components) }}
        ) as conflicts on components.component_key = conflicts.component_key
        where conflicts.component_key is null
        group by components.record_key
    ) as chosen on cut_groups.record_key = chosen.record_key
{%- endmacro %}

{% macro without_tier(key) -%}
    substr({{ key }}, position(':' in {{ key }}) + 1)
{%- endmacro %}

{% macro conflicting_components(edges, components) -%}
    select distinct low.component_key
    from {{ edges }} as edges
    inner join {{ components }} as low on edges.key_low = low.record_key
    inner join {{ components }} as high
        on edges.key_high = high.record_key and low.component_key = high.component_key
    where edges.is_conflict
{%- endmacro %}
