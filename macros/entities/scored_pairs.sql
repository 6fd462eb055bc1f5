{#-
scored_pairs(pairs, records, blocks): `pairs` with the level and the weight of each comparison and the sum of them all.
What too many share (`blocks` that are not active) is left out of the comparison.
-#}
{% macro scored_pairs(pairs, records, blocks) -%}
    select
        key_low,
        key_high,
        rules,
        {%- for name in compared_levels() %}
        {{ name }}_level,
        {{ name }}_bits,
        {%- endfor %}
        cast(prior_bits
        {%- for name in compared_levels() %} + {{ name }}_bits{% endfor %} as decimal(8, 2)) as score_bits
    from (
        select
            levels.*,
            {%- for name in compared_levels() %}
            cast({{ weight_of(name) }} as decimal(7, 2)) as {{ name }}_bits,
            {%- endfor %}
            coalesce(element_at(weights.bits, 'prior:0'), 0) as prior_bits
        from (
            {{ pairs_with_levels(pairs, records, blocks) }}
        ) as levels
        cross join (
            select {{ map_of("concat(comparison, ':', cast(level as " ~ dbt.type_string() ~ "))", 'weight_bits') }} as bits
            from {{ ref('er_weights') }}
        ) as weights
    ) as weighted
{%- endmacro %}

{% macro pairs_with_levels(pairs, records, blocks) -%}
    select
        key_low,
        key_high,
        rules,
        first_name_rarity_bits,
        last_name_rarity_bits,
        {%- for name, level in compared_levels().items() %}
        {{ level }} as {{ name }}_level{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            compared.*,
            {%- for name, answer in compared_twice().items() %}
            {{ answer }} as {{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
        from (
            {{ pairs_with_values(pairs, records, blocks) }}
        ) as compared
    ) as compared_pairs
{%- endmacro %}

{% macro pairs_with_values(pairs, records, blocks) -%}
    select {{ small_side('half_pairs') if is_incremental() and is_small_part(pairs) }}
        half_pairs.*,
        {%- for name in matched_columns() %}
        high.{{ name }} as high_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            pairs.key_low,
            pairs.key_high,
            pairs.rules,
            low.first_name_rarity_bits,
            low.last_name_rarity_bits,
            {%- for name in matched_columns() %}
            low.{{ name }} as low_{{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ pairs }} as pairs
        inner join ({{ comparable_records(records, blocks) }}) as low on pairs.key_low = low.record_key
    ) as half_pairs
    inner join ({{ comparable_records(records, blocks) }}) as high on half_pairs.key_high = high.record_key
{%- endmacro %}

{% macro comparable_records(records, blocks) -%}
    select
        records.record_key,
        records.first_name_rarity_bits,
        records.last_name_rarity_bits,
        {%- for name in matched_columns() %}
        {%- set kind = name.split('_')[0] %}
        {%- if kind in ['email', 'phone'] %}
        case when coalesce(shared.is_{{ kind }}_shared, 0) = 0 then records.{{ name }} end as {{ name }}
        {%- else %}
        records.{{ name }}
        {%- endif %}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        {{ records }}
    ) as records
    left join (
        select
            record_key,
            max(case when rule = 'email' then 1 else 0 end) as is_email_shared,
            max(case when rule = 'phone' then 1 else 0 end) as is_phone_shared
        from (
            {{ blocks }}
        ) as blocks
        where not is_active and rule in ('email', 'phone')
        group by record_key
    ) as shared on records.record_key = shared.record_key
{%- endmacro %}
