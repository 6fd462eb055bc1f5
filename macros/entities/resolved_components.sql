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
and fewer links hold: each record belongs to its part in the lowest tier in which that part is within bounds. What is out
of bounds in all that its links reach is put together anew from the strongest link to the weakest (`parts_strongest_first`).
What somebody has decided is cut by none of that (`decided_nodes`).

Few records are resolved here, with one query for their edges: a step in the engine takes longer than all of that for tens
of thousands. For many, each step is kept as a table. Nobody counts what is touched where most of the lake is.
-#}
{% macro resolution(touched_sql, known_edges, decisions, changed=none) -%}
    {%- set text = dbt.type_string() -%}
    {%- set types = {
        'record_key': text, 'stored_entity_id': text, 'stored_created_at': 'timestamp', 'is_gone': 'boolean',
    } -%}
    {%- set rows = few_rows(touched_sql, types, most_resolved_here()) if not changed or is_small_part(changed) -%}
    {%- if rows is defined and rows is not none -%}
        {%- set are_many = rows | length > var('most_literal_rows') -%}
        {%- set touched = kept_table('touched', touched_sql) if are_many else literal_rows(rows, types) -%}
        {%- set found = resolution_of_rows(rows, edges_among(touched, known_edges, decisions, ref('er_tiers'))) -%}
        {%- set found = kept_table('resolved', found) if are_many else found -%}
        {{ '(select ' ~ small_side('few') ~ ' * from ' ~ found ~ ' as few)' }}
    {%- else -%}
        {%- set touched = kept_table('touched', touched_sql) -%}
        {%- set edges = kept_table('edges', edges_among(touched, known_edges, decisions, ref('er_tiers'))) -%}
        {{ resolution_of_many(touched, components_of_many(edges)) }}
    {%- endif -%}
{%- endmacro %}

{#- Trino takes no statement of more than a million characters. -#}
{% macro most_resolved_here() %}
    {{ return(adapter.dispatch('most_resolved_here', 'frazil')()) }}
{% endmacro %}

{% macro spark__most_resolved_here() %}
    {% do return(50 * var('most_literal_rows')) %}
{% endmacro %}

{% macro trino__most_resolved_here() %}
    {% do return(var('most_literal_rows')) %}
{% endmacro %}

{% macro resolution_of_rows(touched, edges) -%}
    {%- set text = dbt.type_string() -%}
    {%- set components = components_of_rows(rows_of(edges, edge_types()), tier_rows()) -%}
    {%- set found = dict(zip(components | map(attribute=0), components)) -%}
    {%- set claimants, rows = [], [] -%}
    {%- set claim, add = claimants.append, rows.append -%}
    {%- for record, id, created_at, is_gone in touched if id is not none and is_gone != 'true' -%}
        {%- do claim((id, found[record][1] if record in found else record, record, created_at)) -%}
    {%- endfor -%}
    {%- set kept = kept_ids_of_rows(claimants) -%}
    {#- Most are the first of their entity, and that is their whole group: what goes without saying is left out. -#}
    {%- for record, id, created_at, is_gone in touched -%}
        {%- set alone = (record, record, record, 'false', none) -%}
        {%- set _, component, group, is_cut, bits = found[record] if record in found else alone -%}
        {%- do add([
            record,
            component if component != record else none,
            group if group != component else none,
            is_cut if is_cut == 'true' else none,
            bits,
            kept[component] if component in kept else none,
            created_at,
        ]) -%}
    {%- endfor -%}
    (
        select
            record_key,
            coalesce(component_key, record_key) as component_key,
            coalesce(resolution_group, component_key, record_key) as resolution_group,
            coalesce(is_cut, false) as is_cut,
            bits,
            kept_entity_id,
            stored_created_at
        from {{ literal_rows(rows, {
            'record_key': text, 'component_key': text, 'resolution_group': text, 'is_cut': 'boolean',
            'bits': 'decimal(9, 2)', 'kept_entity_id': text, 'stored_created_at': 'timestamp',
        }) }} as said
    )
{%- endmacro %}

{% macro edge_types() %}
    {% set text = dbt.type_string() %}
    {% do return({
        'key_low': text, 'key_high': text, 'bits': 'decimal(9, 2)', 'is_link': 'boolean', 'is_conflict': 'boolean',
    }) %}
{% endmacro %}

{#- tier_rows(): tier, least_bits and most_records of `er_tiers` as texts, asked for once; none where nothing is built. -#}
{% macro tier_rows() %}
    {% if not execute or not is_building() %}
        {% do return([]) %}
    {% elif '_tiers' not in model %}
        {% set columns = {'tier': 'int', 'least_bits': 'decimal(6, 2)', 'most_records': 'int'} %}
        {% set rows = {} %}
        {% for row in rows_of('select * from ' ~ ref('er_tiers'), columns) %}
            {% do rows.update({row[0] | int: row}) %}
        {% endfor %}
        {% do model.update({'_tiers': rows | dictsort | map(attribute=1) | list}) %}
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
