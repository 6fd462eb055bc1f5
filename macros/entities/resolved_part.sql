{#-
resolution_of_part(touched, edges): what `resolution_of_many` finds, of some of the records in a large index (kept tables). As
few tables are made as can be, since each costs more than the work. What is rare is looked at without queries: groups that
must be cut, and ids that more than one entity claims, or that lead to more than one.
-#}
{% macro resolution_of_part(touched, edges) -%}
    {%- set resolved = kept_table('resolved', resolved_members(touched, components_of_part(edges))) -%}
    (
        select {{ small_side('few') }}
            few.*
        from (
            select
                resolved.*,
                kept.kept_entity_id
            from {{ resolved }} as resolved
            left join (
                {{ kept_ids_of_part(resolved) }}
            ) as kept on resolved.component_key = kept.component_key
        ) as few
    )
{%- endmacro %}

{#- components_of_part(edges): as `components_of_many`. -#}
{% macro components_of_part(edges) -%}
    {%- set nodes = decided_nodes(edges) -%}
    {%- set groups = kept_table('groups', whole_groups(nodes.edges, are_few=true)) -%}
    {%- set cut_edges -%}
        select edges.*
        from {{ nodes.edges }} as edges
        inner join {{ groups }} as cut_groups on edges.key_low = cut_groups.record_key and not cut_groups.is_whole
    {%- endset -%}
    {%- if rows_where('(' ~ cut_edges ~ ') as cut_edges', 'true') <= 2 * var('most_literal_rows') -%}
        {%- set cut_rows = components_of_rows(rows_of(cut_edges, edge_types()), tier_rows()) -%}
        {%- set components = components_with_cut(nodes.edges, groups, cut_rows) -%}
    {%- else -%}
        {%- set components = components_in_tiers(nodes.edges, groups, are_few=true) -%}
    {%- endif -%}
    {{ components_of_records(components, nodes, edges) }}
{%- endmacro %}

{#- Groups that may stay whole, and the parts of the others, which are rows of `components_of_rows`. -#}
{% macro components_with_cut(edges, groups, cut_rows) -%}
    {%- set text = dbt.type_string() -%}
    {%- set cut = literal_rows(cut_rows, {
        'record_key': text, 'component_key': text, 'resolution_group': text, 'is_cut': 'boolean', 'bits': 'decimal(9, 2)',
    }) -%}
    (
        select
            members.record_key,
            case when members.is_whole then members.component_key else coalesce(cut.component_key, members.record_key) end
                as component_key,
            members.component_key as resolution_group,
            not members.is_whole and coalesce(cut.is_cut, true) as is_cut,
            case when members.is_whole then links.bits else cut.bits end as bits
        from {{ groups }} as members
        left join {{ cut }} as cut on members.record_key = cut.record_key
        left join (
            select
                record_key,
                max(bits) as bits
            from (
                select *
                from {{ edges }} as edges
                where is_link
            ) as links
            {{ each_of(['key_low', 'key_high'], 'record_key') }}
            group by record_key
        ) as links on members.record_key = links.record_key
    )
{%- endmacro %}

{#- kept_ids_of_part(resolved): as `kept_entity_ids`; an id with one component, which has no other id, needs no choice. -#}
{% macro kept_ids_of_part(resolved) -%}
    {%- set text = dbt.type_string() -%}
    {%- set claims -%}
        select
            *,
            count(*) over (partition by component_key) = 1 and count(*) over (partition by claimed_entity_id) = 1 as is_only
        from (
            select distinct
                component_key,
                claimed_entity_id
            from {{ resolved }} as claimants
            where claimed_entity_id is not null
        ) as pairs
    {%- endset -%}
    {%- set contested -%}
        select
            resolved.claimed_entity_id,
            resolved.component_key,
            resolved.record_key,
            resolved.stored_created_at
        from {{ resolved }} as resolved
        inner join (
            {{ claims }}
        ) as claims
            on resolved.component_key = claims.component_key and resolved.claimed_entity_id = claims.claimed_entity_id
        where not claims.is_only
    {%- endset -%}
    {%- set rows = few_rows(
        contested,
        {'claimed_entity_id': text, 'component_key': text, 'record_key': text, 'stored_created_at': 'timestamp'},
        most=5 * var('most_literal_rows')
    ) -%}
    {%- if rows is none -%}
        {{ kept_entity_ids('select * from ' ~ resolved ~ ' as claimants') }}
    {%- else -%}
        select
            component_key,
            claimed_entity_id as kept_entity_id
        from (
            {{ claims }}
        ) as claims
        where is_only
        union all
        select
            component_key,
            kept_entity_id
        from {{ literal_rows(kept_ids_of_rows(rows).items() | list, {'component_key': text, 'kept_entity_id': text}) }} as chosen
    {%- endif -%}
{%- endmacro %}
