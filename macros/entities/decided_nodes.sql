{#-
decided_nodes(edges): what a steward or its source has put together is looked at as one record, so that nothing cuts it, and it
counts as one. Where nothing is built, as for the documentation, nothing is decided: one step within the other, the text of
all would have gigabytes. Returns

    edges     `edges` between such nodes and other records; the same relation where nothing is decided
    nodes     a kept table: record_key, node_key (the smallest record_key of the node) and is_torn; none where nothing is
    is_torn   whether some records that decisions put together are parted by another one: these are left alone
-#}
{% macro decided_nodes(edges) %}
    {% set is_decided = 'is_link and bits > 900' %}
    {% if execute and (not is_building() or not rows_where(edges, is_decided)) %}
        {% do return({'edges': edges, 'nodes': none, 'is_torn': false}) %}
    {% endif %}
    {% set links = 'select key_low as record_a, key_high as record_b from ' ~ edges ~ ' as edges where ' ~ is_decided %}
    {% set parted = '(select * from ' ~ edges ~ ' as edges where bits > 900)' %}
    {% set components = connected_components(links, 'decided', true) %}
    {% set sql -%}
        select
            components.record_key,
            components.component_key as node_key,
            torn.component_key is not null as is_torn
        from {{ components }} as components
        left join (
            {{ conflicting_components(parted, components) }}
        ) as torn on components.component_key = torn.component_key
    {%- endset %}
    {% set nodes = kept_table('nodes', sql) %}
    {% set is_torn = not execute or rows_where(nodes, 'is_torn') > 0 %}
    {% set between = kept_table('node_edges', edges_between_nodes(edges, nodes)) %}
    {% do return({'edges': between, 'nodes': nodes, 'is_torn': is_torn}) %}
{% endmacro %}

{#-
Of two nodes only what speaks most for one customer counts: they are in conflict if all pairs of their records that were
compared are, or if somebody parts them.
-#}
{% macro edges_between_nodes(edges, nodes) -%}
    select
        least(node_a, node_b) as key_low,
        greatest(node_a, node_b) as key_high,
        max(case when is_link then bits end) as bits,
        bool_or(is_link) and not bool_or(is_parted) as is_link,
        bool_or(is_parted) or bool_and(is_conflict) as is_conflict
    from (
        select
            coalesce(low.node_key, edges.key_low) as node_a,
            coalesce(high.node_key, edges.key_high) as node_b,
            edges.bits,
            edges.is_link,
            edges.is_conflict,
            edges.is_conflict and edges.bits > 900 as is_parted
        from {{ edges }} as edges
        left join {{ nodes }} as low on edges.key_low = low.record_key
        left join {{ nodes }} as high on edges.key_high = high.record_key
        where not coalesce(low.is_torn, false) and not coalesce(high.is_torn, false)
    ) as edges_of_nodes
    where node_a <> node_b
    group by least(node_a, node_b), greatest(node_a, node_b)
{%- endmacro %}

{#- components_of_records(components, nodes, edges): `components` of nodes (`decided_nodes`) as those of their records. -#}
{% macro components_of_records(components, nodes, edges) -%}
    {%- if nodes.nodes is none -%}
        {{ return(components) }}
    {%- endif -%}
    {%- set records -%}
        select
            nodes.record_key,
            case
                when nodes.is_torn then nodes.record_key
                else coalesce(components.component_key, nodes.node_key)
            end as component_key,
            coalesce(components.resolution_group, nodes.node_key) as resolution_group,
            coalesce(components.is_cut, false) as is_cut,
            case when not nodes.is_torn then cast(999 as decimal(9, 2)) end as bits
        from {{ nodes.nodes }} as nodes
        left join {{ components }} as components on nodes.node_key = components.record_key and not nodes.is_torn
        union all
        select
            components.record_key,
            components.component_key,
            components.resolution_group,
            components.is_cut,
            components.bits
        from {{ components }} as components
        left join {{ nodes.nodes }} as nodes on components.record_key = nodes.record_key
        where nodes.record_key is null
    {%- endset -%}
    {{ '(' ~ (with_torn_records(records, edges) if nodes.is_torn else records) ~ ')' }}
{%- endmacro %}

{#- The groups are those of all links, with the records that are left alone. -#}
{% macro with_torn_records(records, edges) -%}
    {%- set links = 'select key_low as record_a, key_high as record_b from ' ~ edges ~ ' as edges where is_link' -%}
    select
        linked.record_key,
        coalesce(records.component_key, linked.record_key) as component_key,
        linked.component_key as resolution_group,
        count(*) over (partition by coalesce(records.component_key, linked.record_key))
        < count(*) over (partition by linked.component_key) as is_cut,
        records.bits
    from {{ connected_components(links, 'torn', true) }} as linked
    left join (
        {{ records }}
    ) as records on linked.record_key = records.record_key
{%- endmacro %}
