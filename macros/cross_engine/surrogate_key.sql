{#- surrogate_key(columns): a `_key` of text columns: MD5 over each one's length and text, so no two rows collide by joining. -#}
{% macro surrogate_key(columns) -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}
        {%- do parts.append(
            "coalesce(concat(cast(length(" ~ column ~ ") as " ~ dbt.type_string() ~ "), ':', " ~ column ~ "), '-')"
        ) -%}
    {%- endfor -%}
    {{ md5_hex('concat(' ~ parts | join(', ') ~ ')' if parts | length > 1 else parts[0]) }}
{%- endmacro %}
