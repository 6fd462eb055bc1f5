{#-
affected_records(changed): the records whose entity may change, as one query: the changed ones, and all records of the
entities they were in or now share a value with. No other record is linked to any of these, so resolving them alone
gives what resolving everything would. `changed` is a relation with the columns of `matchable_records`; added are
stored_entity_id and stored_created_at, null for a record that is not in the index yet.

When a rebuild is asked for, every record is read; stored ones that no source has any more are then not living.
-#}
{% macro affected_records(changed) -%}
    {%- if not is_incremental() -%}
        select
            *,
            cast(null as {{ dbt.type_string() }}) as stored_entity_id,
            nullif({{ run_timestamp() }}, {{ run_timestamp() }}) as stored_created_at
        from {{ changed }} as changed
    {%- else -%}
        select
            {{ record_columns() }},
            is_living,
            known_entity_id as stored_entity_id,
            known_created_at as stored_created_at
        from (
            select
                *,
                row_number() over (partition by record_key order by is_stored) as version,
                max(stored_entity_id) over (partition by record_key) as known_entity_id,
                max(stored_created_at) over (partition by record_key) as known_created_at
            from (
                select
                    {{ record_columns() }},
                    is_living,
                    null as stored_entity_id,
                    null as stored_created_at,
                    0 as is_stored
                from {{ changed }} as changed
                union all
                select
                    {{ record_columns() }},
                    {{ 'false' if rebuild_asked() else 'true' }} as is_living,
                    entity_id as stored_entity_id,
                    created_at as stored_created_at,
                    1 as is_stored
                from ({{ affected_rows(changed) }}) as affected
            ) as both_versions
        ) as versions
        where version = 1
    {%- endif -%}
{%- endmacro %}

{% macro affected_rows(changed) -%}
    select
        *,
        {{ record_key() }} as record_key
    from {{ this }}
    {%- if not rebuild_asked() %}
    where entity_id in (
        select entity_id
        from {{ this }}
        where
            {{ record_key() }} in (select record_key from {{ changed }} as changed)
            or email_normalized in (select email_normalized from {{ changed }} as changed)
            or phone_normalized in (select phone_normalized from {{ changed }} as changed)
    )
    {%- endif -%}
{%- endmacro %}

{#-
matchable_records(records): the records with record_key, email_normalized and phone_normalized added. `records` is a
query that yields source, source_id, email, phone, first_name, last_name, full_name and is_living.
-#}
{% macro matchable_records(records) -%}
    select
        *,
        {{ record_key() }} as record_key,
        {{ normalized_email('email') }} as email_normalized,
        {{ normalized_phone('phone') }} as phone_normalized
    from (
        {{ records }}
    ) as records
{%- endmacro %}

{% macro record_key() -%}
    concat(source, ':', source_id)
{%- endmacro %}

{% macro record_columns() -%}
    record_key, source, source_id, email, email_normalized, phone, phone_normalized, first_name, last_name, full_name
{%- endmacro %}
