{#-
candidate_pairs(blocks, changed): pairs of records that share an active block, at least one of them changed: key_low,
key_high and the rules that propose them. `blocks` is a query, `changed` a relation with record_key.
-#}
{% macro candidate_pairs(blocks, changed) -%}
    {%- set is_update = is_incremental() and not rebuild_asked() -%}
    select {{ small_side('mine') if is_update and is_small_part(changed) }}
        least(mine.record_key, others.record_key) as key_low,
        greatest(mine.record_key, others.record_key) as key_high,
        {{ joined_values('least(mine.rule, others.rule)') }} as rules
    from (
        {{ changed_blocks(blocks, changed) if is_update else blocks }}
    ) as mine
    inner join (
        {{ blocks }}
    ) as others
        on mine.block_hash = others.block_hash and mine.record_key {{ '<>' if is_update else '<' }} others.record_key
    where mine.is_active and others.is_active
    group by least(mine.record_key, others.record_key), greatest(mine.record_key, others.record_key)
{%- endmacro %}

{% macro changed_blocks(blocks, changed) -%}
    select blocks.*
    from (
        {{ blocks }}
    ) as blocks
    inner join {{ changed }} as changed on blocks.record_key = changed.record_key
{%- endmacro %}

{#- pairs_before(changed): the rows of this table that have a changed record. -#}
{% macro pairs_before(changed) -%}
    select {{ small_side('low') if is_small_part(changed) }} {{ small_side('high') if is_small_part(changed) }}
        edges.*
    from {{ this }} {{ as_it_stands() }} as edges
    left join {{ changed }} as low on edges.key_low = low.record_key
    left join {{ changed }} as high on edges.key_high = high.record_key
    where low.record_key is not null or high.record_key is not null
{%- endmacro %}

{#- pairs_no_more(before, pairs): of `pairs_before` those that are pairs no more, as rows without a score. -#}
{% macro pairs_no_more(before, pairs) -%}
    select
        stored.key_low,
        stored.key_high,
        cast(null as {{ dbt.type_string() }}) as rules,
        {% for name in compared_levels() -%}
            cast(null as int) as {{ name }}_level,
            cast(null as decimal(7, 2)) as {{ name }}_bits,
        {% endfor -%}
        cast(null as decimal(8, 2)) as score_bits
    from {{ before }} as stored
    left join {{ pairs }} as pairs on stored.key_low = pairs.key_low and stored.key_high = pairs.key_high
    where pairs.key_low is null
{%- endmacro %}

{#- weight_of(comparison): its level's bits; 0 where a record does not say. A shared name also weighs by how rare it is. -#}
{% macro weight_of(name) -%}
    {%- set weight -%}
        coalesce(element_at(weights.bits, concat('{{ name }}:', cast({{ name }}_level as {{ dbt.type_string() }}))), 0)
    {%- endset -%}
    {%- if name == 'first_name' -%}
        {{ weight }} + case when first_name_level in (4, 5) then coalesce(first_name_rarity_bits, 0) else 0 end
    {%- elif name == 'last_name' -%}
        {{ weight }} + case when last_name_level = 4 then coalesce(last_name_rarity_bits, 0) else 0 end
    {%- else -%}
        {{ weight }}
    {%- endif -%}
{%- endmacro %}
