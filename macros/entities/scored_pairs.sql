{#-
scored_pairs(pairs, records): `pairs` with the level and the weight of each comparison and the sum of them all, which is null
of a pair that is none after all (`have_nobodys_mailbox`). `records` are `comparable_records`.
-#}
{% macro scored_pairs(pairs, records) -%}
    select
        key_low,
        key_high,
        rules,
        {%- for name in compared_levels() %}
        {{ name }}_level,
        {{ name }}_bits,
        {%- endfor %}
        case
            when not have_nobodys_mailbox or coalesce(phone_level, 0) > 0 or coalesce(address_level, 0) >= 4
                then cast(prior_bits
                {%- for name in compared_levels() %} + {{ name }}_bits{% endfor %} as decimal(8, 2))
        end as score_bits
    from (
        select
            levels.*,
            {%- for name in compared_levels() %}
            cast({{ weight_of(name) }} as decimal(7, 2)) as {{ name }}_bits,
            {%- endfor %}
            coalesce(element_at(weights.bits, 'prior:0'), 0) as prior_bits
        from (
            {{ pairs_with_levels(pairs, records) }}
        ) as levels
        cross join (
            select {{ map_of("concat(comparison, ':', cast(level as " ~ dbt.type_string() ~ "))", 'weight_bits') }} as bits
            from {{ ref('er_weights') }}
        ) as weights
    ) as weighted
{%- endmacro %}

{% macro pairs_with_levels(pairs, records) -%}
    select
        key_low,
        key_high,
        rules,
        first_name_rarity_bits,
        last_name_rarity_bits,
        {{ have_nobodys_mailbox() }} as have_nobodys_mailbox,
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
            {{ pairs_with_values(pairs, records) }}
        ) as compared
    ) as compared_pairs
{%- endmacro %}

{% macro pairs_with_values(pairs, records) -%}
    select
        half_pairs.*,
        {%- for name in matched_columns() + nobodys_columns() %}
        high.{{ name }} as high_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            pairs.key_low,
            pairs.key_high,
            pairs.rules,
            low.first_name_rarity_bits,
            low.last_name_rarity_bits,
            {%- for name in matched_columns() + nobodys_columns() %}
            low.{{ name }} as low_{{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ pairs }} as pairs
        inner join {{ records }} as low on pairs.key_low = low.record_key
    ) as half_pairs
    inner join {{ records }} as high on half_pairs.key_high = high.record_key
{%- endmacro %}

{#-
have_nobodys_mailbox(): whether one of two records has a mailbox that is entered for want of another (`test@`), or both have one
that too many share, where nothing but that and the surname brought them together. Whoever enters no address of their own may
enter any name: names and a country make no customer of them.
-#}
{% macro have_nobodys_mailbox() -%}
    coalesce(
        low_has_nobodys_mailbox or high_has_nobodys_mailbox
        or rules = 'surname_and_mailbox' and low_shared_mailbox = high_shared_mailbox,
        false
    )
{%- endmacro %}

{% macro nobodys_columns() %}
    {% do return(['shared_mailbox', 'has_nobodys_mailbox']) %}
{% endmacro %}

{#-
comparable_records(records, blocks, pairs): what is compared of each record, and whether its mailbox is nobody's. What too many
share (`blocks` that are not active) is left out of it. With `pairs` only the records of these are looked up.
-#}
{% macro comparable_records(records, blocks, pairs=none) -%}
    select
        records.record_key,
        records.first_name_rarity_bits,
        records.last_name_rarity_bits,
        case when shared.is_email_shared = 1 then records.email_normalized end as shared_mailbox,
        {{ is_generic_mailbox('records.email_local') }} as has_nobodys_mailbox,
        {%- for name in matched_columns() %}
        {%- set kind = name.split('_')[0] %}
        {%- if kind in ['email', 'phone'] %}
        case when coalesce(shared.is_{{ kind }}_shared, 0) = 0 then records.{{ name }} end as {{ name }}
        {%- else %}
        records.{{ name }}
        {%- endif %}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        {{ of_pairs('select * from (' ~ records ~ ') as all_records', pairs) }}
    ) as records
    left join (
        select
            record_key,
            max(case when rule = 'email' then 1 else 0 end) as is_email_shared,
            max(case when rule = 'phone' then 1 else 0 end) as is_phone_shared
        from (
            {{ of_pairs(
                'select record_key, rule from (' ~ blocks ~ ") as blocks where not is_active and rule in ('email', 'phone')",
                pairs
            ) }}
        ) as blocks
        group by record_key
    ) as shared on records.record_key = shared.record_key
{%- endmacro %}

{#- The rows of a query that have a record_key of `pairs`; all of them without `pairs`. -#}
{% macro of_pairs(sql, pairs) -%}
    {%- if pairs is none -%}
    {{ sql }}
    {%- else -%}
    select {{ small_side('wanted') if is_small_part(pairs) }} rows_of_records.*
    from (
        {{ sql }}
    ) as rows_of_records
    inner join (
        select key_low as record_key from {{ pairs }} as pairs
        union distinct
        select key_high as record_key from {{ pairs }} as pairs
    ) as wanted on rows_of_records.record_key = wanted.record_key
    {%- endif -%}
{%- endmacro %}
