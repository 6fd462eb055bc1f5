{#-
resolution(touched_sql, known_edges, decisions, changed): which of the touched records (`touched_records`) are one entity, as a
relation with one row per record:

    record_key
    resolution_group   the smallest record_key that links lead to, however weak
    component_key      the smallest record_key of its entity
    bits               its strongest link within the entity, null if it is alone
    is_cut             its group was too large or in conflict with itself, and its weakest links were cut
    kept_entity_id     the existing id that its entity keeps, null if it gets a new one
    stored_created_at  when it was first indexed, null if it is new

A group stays whole if it is within the first tier's bounds. Others are looked at in all higher tiers at once, where fewer
and fewer links hold: each record belongs to its part in the lowest tier in which that part is within bounds. Few records
are resolved here, with one query for their edges; for many, each step is kept as a table. Nobody counts what is touched
where what has `changed` is a table already, being many.
-#}
{% macro resolution(touched_sql, known_edges, decisions, changed=none) -%}
    {%- set text = dbt.type_string() -%}
    {%- set types = {
        'record_key': text, 'stored_entity_id': text, 'stored_created_at': 'timestamp', 'is_gone': 'boolean',
    } -%}
    {%- set rows = few_rows(touched_sql, types) if not changed or changed.startswith('(') -%}
    {%- if rows is defined and rows is not none -%}
        {{ resolution_of_rows(rows, edges_among(literal_rows(rows, types), known_edges, decisions, ref('er_tiers'))) }}
    {%- else -%}
        {%- set touched = kept_table('touched', touched_sql) -%}
        {%- set edges = kept_table('edges', edges_among(touched, known_edges, decisions, ref('er_tiers'))) -%}
        {%- if is_incremental() and is_small_part(touched) -%}
            {{ resolution_of_part(touched, edges) }}
        {%- else -%}
            {{ resolution_of_many(touched, components_of_many(edges, all_tiers())) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro resolution_of_rows(touched, edges) -%}
    {%- set text = dbt.type_string() -%}
    {%- set edge_rows = rows_of(edges, edge_types()) -%}
    {%- set found = {} -%}
    {%- for record, component, group, is_cut, bits in components_of_rows(edge_rows, tier_rows()) -%}
        {%- do found.update({record: (component, group, is_cut, bits)}) -%}
    {%- endfor -%}
    {%- set claimants = [] -%}
    {%- for record, id, created_at, is_gone in touched if id is not none and is_gone != 'true' -%}
        {%- do claimants.append((id, found[record][0] if record in found else record, record, created_at)) -%}
    {%- endfor -%}
    {%- set kept = kept_ids_of_rows(claimants) -%}
    {%- set rows = [] -%}
    {%- for record, id, created_at, is_gone in touched -%}
        {%- set component, group, is_cut, bits = found.get(record, (record, record, 'false', none)) -%}
        {%- do rows.append([record, component, group, is_cut, bits, kept.get(component), created_at]) -%}
    {%- endfor -%}
    {{ literal_rows(rows, {
        'record_key': text, 'component_key': text, 'resolution_group': text, 'is_cut': 'boolean', 'bits': 'decimal(9, 2)',
        'kept_entity_id': text, 'stored_created_at': 'timestamp',
    }) }}
{%- endmacro %}

{% macro edge_types() %}
    {% set text = dbt.type_string() %}
    {% do return({
        'key_low': text, 'key_high': text, 'bits': 'decimal(9, 2)', 'is_link': 'boolean', 'is_conflict': 'boolean',
    }) %}
{% endmacro %}

{#- tier_rows(): tier, least_bits and most_records of `all_tiers` as texts, asked for once; none where nothing is built. -#}
{% macro tier_rows() %}
    {% if not execute or not is_building() %}
        {% do return([]) %}
    {% elif '_tiers' not in model %}
        {% set columns = {'tier': 'int', 'least_bits': 'decimal(6, 2)', 'most_records': 'int'} %}
        {% do model.update({'_tiers': rows_of('select * from ' ~ all_tiers() ~ ' as tiers order by tier', columns)}) %}
    {% endif %}
    {% do return(model['_tiers']) %}
{% endmacro %}

{% macro resolution_of_many(touched, components) -%}
    {%- set members = resolved_members(touched, components) -%}
    {%- if is_incremental() -%}
        {%- set resolved = kept_table('resolved', members) -%}
        (
            select
                resolved.*,
                kept.kept_entity_id
            from {{ resolved }} as resolved
            left join (
                {{ kept_entity_ids('select * from ' ~ resolved ~ ' as claimants') }}
            ) as kept on resolved.component_key = kept.component_key
        )
    {%- else -%}
        (
            select
                members.*,
                cast(null as {{ dbt.type_string() }}) as kept_entity_id
            from (
                {{ members }}
            ) as members
        )
    {%- endif -%}
{%- endmacro %}

{% macro resolved_members(touched, components) -%}
    select
        touched.record_key,
        coalesce(components.component_key, touched.record_key) as component_key,
        coalesce(components.resolution_group, touched.record_key) as resolution_group,
        coalesce(components.is_cut, false) as is_cut,
        components.bits,
        touched.stored_created_at,
        case when not touched.is_gone then touched.stored_entity_id end as claimed_entity_id
    from {{ touched }} as touched
    left join {{ components }} as components on touched.record_key = components.record_key
{%- endmacro %}

{#- The records that are linked: record_key, component_key, resolution_group, is_cut and bits. -#}
{% macro components_of_many(edges, tiers) -%}
    {%- set groups = kept_table('groups', whole_groups(edges, tiers)) -%}
    {{ components_in_tiers(edges, groups, tiers) }}
{%- endmacro %}

{% macro components_in_tiers(edges, groups, tiers, are_few=false) -%}
    {%- set parts = kept_table('parts', parts_of_groups(edges, groups, tiers, are_few)) -%}
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
{% macro whole_groups(edges, tiers, are_few=false) -%}
    {%- set links -%}
        select
            key_low as record_a,
            key_high as record_b
        from {{ edges }} as edges
        where is_link
    {%- endset -%}
    {%- set components = connected_components(links, 'group', are_few) -%}
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
{% macro parts_of_groups(edges, groups, tiers, are_few) -%}
    {%- set tier_text = 'cast(tiers.tier as ' ~ dbt.type_string() ~ ')' -%}
    {%- set links -%}
        select
            {{ tier_text }} || ':' || edges.key_low as record_a,
            {{ tier_text }} || ':' || edges.key_high as record_b
        from {{ edges }} as edges
        inner join {{ groups }} as cut_groups
            on edges.key_low = cut_groups.record_key and not cut_groups.is_whole
        inner join {{ tiers }} as tiers on tiers.tier > 0 and edges.bits >= tiers.least_bits
        where edges.is_link
    {%- endset -%}
    {%- set components -%}
        (
            select
                substr(record_key, position(':' in record_key) + 1) as record_key,
                cast(split_part(record_key, ':', 1) as int) as tier,
                component_key
            from {{ connected_components(links, 'part', are_few) }} as nodes
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
            where conflicts.component_key is null or (components.tier = 99 and not conflicts.is_decided)
            group by components.record_key
        ) as chosen on cut_groups.record_key = chosen.record_key
    ) as parts
{%- endmacro %}

{% macro conflicting_components(edges, components) -%}
    select
        low.component_key,
        max(edges.bits) > 900 as is_decided
    from {{ edges }} as edges
    inner join {{ components }} as low on edges.key_low = low.record_key
    inner join {{ components }} as high
        on edges.key_high = high.record_key and low.component_key = high.component_key
    where edges.is_conflict
    group by low.component_key
{%- endmacro %}
