{#-
accepted_edges(): the links that hold entities together, one row per pair of records of one entity that the evidence links
or somebody has put together:

    key_low, key_high, entity_id
    kind   `steward`, `merge` (by their source) or `evidence`
    tier   the highest tier of `er_tiers` whose least weight it reaches; null where that is none, or nothing was compared
    bits   what it weighs in a lake of this size; null where nothing was compared

and of the comparison its rules, levels and weights. Written for views: in words that Spark, Trino and DuckDB share.
-#}
{% macro accepted_edges() -%}
    select
        pairs.*,
        case when pairs.decision = 'must_link' then pairs.decided_by else 'evidence' end as kind,
        tiers.tier
    from (
        {{ pairs_within_entities() }}
    ) as pairs
    left join ({{ bounded_tiers() }}) as tiers
        on pairs.bits >= tiers.least_bits and (tiers.next_bits is null or pairs.bits < tiers.next_bits)
    where
        pairs.decision = 'must_link'
        or (pairs.decision <> 'cannot_link' and tiers.tier is not null and not {{ is_conflict('pairs') }})
{%- endmacro %}

{% macro pairs_within_entities() -%}
    select
        coalesce(edges.key_low, decisions.key_low) as key_low,
        coalesce(edges.key_high, decisions.key_high) as key_high,
        low.entity_id,
        coalesce(decisions.decision, 'none') as decision,
        decisions.decided_by,
        {{ bits_in_lake('low.size_offset_bits') }} as bits,
        edges.rules
        {%- for name in compared_levels() %},
        edges.{{ name }}_level,
        edges.{{ name }}_bits
        {%- endfor %}
    from {{ ref('er_candidate_edges') }} {{ pinned(ref('er_candidate_edges')) }} as edges
    full outer join (
        {{ pair_decisions() }}
    ) as decisions on edges.key_low = decisions.key_low and edges.key_high = decisions.key_high
    inner join ({{ members_of_entities() }}) as low
        on coalesce(edges.key_low, decisions.key_low) = low.record_key
    inner join ({{ members_of_entities() }}) as high
        on coalesce(edges.key_high, decisions.key_high) = high.record_key and low.entity_id = high.entity_id
{%- endmacro %}

{% macro members_of_entities() -%}
    select
        concat(source, ':', source_id) as record_key,
        entity_id,
        size_offset_bits
    from {{ ref('entity_index') }} {{ pinned(ref('entity_index')) }}
{%- endmacro %}

{#- level_words(): what each level of each comparison says, in words; the levels are those of `compared_levels`. -#}
{% macro level_words() %}
    {% do return({
        'first_name': ['different', 'similar', 'an initial or a beginning', 'exchanged', 'a nickname', 'equal'],
        'last_name': ['different', 'one within the other', 'similar', 'exchanged', 'equal'],
        'email': ['different', 'the same letters', 'similar', 'the same name elsewhere, or mailbox of an office', 'equal'],
        'phone': ['different', 'one digit off', 'equal but for the country', 'equal'],
        'address': [
            'another country', 'another place', 'the same country', 'the same city', 'the same postal code',
            'house and a similar street, or one of both at that postal code', 'house and street',
        ],
    }) %}
{% endmacro %}

{% macro level_text(name) -%}
    case {{ name }}_level
        {%- for words in level_words()[name] %}
        when {{ loop.index0 }} then '{{ words }}'
        {%- endfor %}
    end
{%- endmacro %}
