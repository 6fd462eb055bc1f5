{#- hash_number(text): the first 60 bits of its MD5 as a bigint; the same on every engine. -#}
{% macro hash_number(text) -%}
    {{ return(adapter.dispatch('hash_number', 'frazil')(text)) }}
{%- endmacro %}

{% macro spark__hash_number(text) -%}
    cast(conv(substr(md5({{ text }}), 1, 15), 16, 10) as bigint)
{%- endmacro %}

{% macro trino__hash_number(text) -%}
    from_base(substr(to_hex(md5(to_utf8({{ text }}))), 1, 15), 16)
{%- endmacro %}
