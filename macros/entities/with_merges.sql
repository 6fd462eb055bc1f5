{#-
with_merges(table, id, merges, are_new, is_ended): the unread rows of a staging table of customers, with source_id, merged_into_id and
is_living. `merges` is a query that yields record_id and merged_into_id of those that their source has merged into another
one, `are_new` whether it may yield more than when it was last read.

What was known of a merged record stays evidence, and it is one customer with the other by its source's own word. It lives
as long as the record in which its merges end. Where that end is not known, or more than three merges away, nothing is known of a
merge either: the record lives, alone, unless `is_ended` holds of it. All merged records are read whenever a record or merge
is new, since a change of the end is none of their own; where there are none, nobody pays for looking.
-#}
{% macro with_merges(table, id, merges, are_new=false, is_ended='is_deleted') -%}
    {%- if (are_new or not is_unchanged(table)) and any_rows(merges) -%}
        select
            records.*,
            case when ends.is_known then ends.merged_into_id end as merged_into_id,
            case when ends.is_known then ends.is_living else not records.is_deleted end as is_living
        from (
            {{ customer_values(table, id, is_ended) }} {{ since_watermark(table, '_staged_at') }}
            union distinct
            {{ customer_values(table, id, is_ended) }} {{ pinned(table) }}
            where {{ id }} in (select record_id from ({{ merges }}) as merges)
        ) as records
        left join (
            {{ ends_of_merges(merges, customer_values(table, id, is_ended) ~ ' ' ~ pinned(table)) }}
        ) as ends on records.source_id = ends.record_id
    {%- else -%}
        select
            records.*,
            cast(null as {{ dbt.type_string() }}) as merged_into_id,
            not records.is_deleted as is_living
        from (
            {{ customer_values(table, id, is_ended) }} {{ since_watermark(table, '_staged_at') }}
        ) as records
    {%- endif -%}
{%- endmacro %}

{% macro customer_values(table, id, is_ended) -%}
    select
        {{ id }} as source_id,
        email,
        phone,
        first_name,
        last_name,
        address,
        city,
        postal_code,
        country,
        {{ is_ended }} as is_deleted
    from {{ table }}
{%- endmacro %}

{#- `merges` with is_known: whether the record in which they end is among `records`, and is_living: that it is not deleted. -#}
{% macro ends_of_merges(merges, records) -%}
    select
        chains.record_id,
        chains.merged_into_id,
        ends.source_id is not null and further.record_id is null as is_known,
        not ends.is_deleted as is_living
    from (
        select
            one.record_id,
            one.merged_into_id,
            coalesce(three.merged_into_id, two.merged_into_id, one.merged_into_id) as end_id
        from ({{ merges }}) as one
        left join ({{ merges }}) as two on one.merged_into_id = two.record_id
        left join ({{ merges }}) as three on two.merged_into_id = three.record_id
    ) as chains
    left join ({{ merges }}) as further on chains.end_id = further.record_id
    left join ({{ records }}) as ends on chains.end_id = ends.source_id
{%- endmacro %}

{#- In a build asks the lake; elsewhere the answer is that there may be some. -#}
{% macro any_rows(sql) %}
    {% do return(not (execute and is_building()) or run_query(sql ~ ' limit 1').rows | length > 0) %}
{% endmacro %}
