{#-
match_tier(bits): the tier of a record's strongest link as text: the highest of `er_tiers` whose least weight it reaches,
`decided` for a link that a steward or the record's source has made, `self` without any.
-#}
{% macro match_tier(bits) -%}
    case
        when {{ bits }} is null then 'self'
        when {{ bits }} > 900 then 'decided'
        {%- for tier, least_bits, most_records in tier_rows() | reverse %}
        when {{ bits }} >= {{ least_bits }} then '{{ tier }}'
        {%- endfor %}
    end
{%- endmacro %}

{#- bounded_tiers(): a query of `er_tiers` with next_bits, the least weight of the tier above; null for the highest. -#}
{% macro bounded_tiers() -%}
    select
        tier,
        least_bits,
        most_records,
        lead(least_bits) over (order by tier) as next_bits
    from {{ ref('er_tiers') }}
{%- endmacro %}
