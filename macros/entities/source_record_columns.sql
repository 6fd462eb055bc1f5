{#- record_sources(): the values of `source` in `er_source_records`. -#}
{% macro record_sources() %}
    {% do return(['shopify', 'stripe', 'hubspot', 'shop']) %}
{% endmacro %}

{#- matched_columns(): the columns of `er_source_records` that are compared. -#}
{% macro matched_columns() %}
    {% do return([
        'email_normalized', 'email_local', 'email_domain', 'phone_normalized', 'phone_suffix', 'first_name_normalized',
        'first_name_canonical', 'last_name_normalized', 'street_normalized', 'house_number', 'postal_code_normalized',
        'city_normalized', 'country_code',
    ]) %}
{% endmacro %}

{#-
with_rarities(records): `normalized_records` with first_name_rarity_bits and last_name_rarity_bits, what it weighs to share
the name. Of a record that is not living only the key stays.
-#}
{% macro with_rarities(records) -%}
    {%- set said = ['merged_into_key', 'email', 'phone', 'first_name', 'last_name', 'full_name'] + matched_columns() -%}
    select
        records.record_key,
        records.source,
        records.source_id,
        records.is_living,
        {%- for name in said %}
        case when records.is_living then records.{{ name }} end as {{ name }},
        {%- endfor %}
        {{ rarity_of('first_name', 'first_name_canonical') }} as first_name_rarity_bits,
        {{ rarity_of('last_name', 'last_name_normalized') }} as last_name_rarity_bits
    from (
        {{ records }}
    ) as records
    cross join (
        select {{ map_of("concat(comparison, ':', value)", 'rarity_bits') }} as bits
        from {{ ref('er_term_frequencies') }}
    ) as rarities
{%- endmacro %}

{% macro rarity_of(comparison, value) -%}
    case
        when records.is_living and records.{{ value }} is not null
            then cast(coalesce(
                element_at(rarities.bits, concat('{{ comparison }}:', records.{{ value }})),
                element_at(rarities.bits, '{{ comparison }}:*')
            ) as decimal(6, 2))
    end
{%- endmacro %}
