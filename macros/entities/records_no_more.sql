{#-
records_no_more(table, source, id): behind the unread records of a source, those that a rebuild of its staging table has
taken away (`keys_no_more`): nothing is told of them but that they are not living. Else nobody pays for looking.
-#}
{% macro records_no_more(table, source, id) -%}
    {%- if may_have_lost(table) -%}
    {%- set told = [
        'merged_into_key', 'email', 'phone', 'first_name', 'last_name', 'full_name', 'address', 'city', 'postal_code', 'country',
    ] -%}
    union all
    select
        '{{ source }}' as source,
        source_id
        {%- for name in told %},
        cast(null as {{ dbt.type_string() }}) as {{ name }}
        {%- endfor %},
        false as is_living
    from (
        {{ keys_no_more(table, id ~ ' as source_id') }}
    ) as gone
    {%- endif -%}
{%- endmacro %}
