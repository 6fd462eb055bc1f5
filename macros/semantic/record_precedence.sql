{#- record_precedence(is_merged_away): of the `records` of an entity, whose word counts first: the least text's. -#}
{% macro record_precedence(is_merged_away) -%}
    concat(
        case
            when {{ is_merged_away }} then '5'
            when records.source = 'shopify' then '1'
            when records.source = 'hubspot' then '2'
            when records.source = 'stripe' then '3'
            else '4'
        end,
        records.source_id
    )
{%- endmacro %}
