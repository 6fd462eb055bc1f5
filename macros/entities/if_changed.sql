{#- if_changed(relation): behind a table's name, reads all of it if it changed since this model last read it, else nothing. -#}
{% macro if_changed(relation) -%}
    {%- set state = parent_state(relation) -%}
    {{ pin_clause(state) }}
    {%- if state.last_pin is not none and state.last_pin == state.pin %}
    where false
    {%- endif -%}
{%- endmacro %}
