{#-
record_links(records, is_small): the matcher. One row per living record and value that it shares with another:

    record_key        the record
    link_key          the shared value; records with the same one belong together
    match_confidence  how sure that is: 1.00 for an e-mail address, 0.90 for a phone number

A value shared by n records costs n rows, no pairs.
-#}
{% macro record_links(records, is_small=false) -%}
    select
        record_key,
        link_key,
        case when link_key = email_key then 1.00 else 0.90 end as match_confidence
    from (
        select
            *,
            count(*) over (partition by link_key) as record_count
        from (
            select {{ in_one_task(is_small) }}
                record_key,
                concat('email:', email_normalized) as email_key,
                concat('phone:', phone_normalized) as phone_key
            from {{ records }} as records
            where is_living
        ) as records_with_keys
        {{ each_of(['email_key', 'phone_key'], 'link_key') }}
        where link_key is not null
    ) as counted_values
    where record_count > 1
{%- endmacro %}
