{#- is_valid(table): no rule that rejects whole events is broken; over the raw row `events`. -#}
{% macro is_valid(table) -%}
    {%- for condition in reject_rules(table).values() -%}
        {{ 'and ' if not loop.first }}not ({{ condition }})
    {% endfor -%}
{%- endmacro %}
