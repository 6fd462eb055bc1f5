{#- new_entity_id(component_key): an id no other component has, nor ever had: of its first record and the run's start. -#}
{% macro new_entity_id(component_key) -%}
    concat('ent_', {{ md5_hex("concat(" ~ component_key ~ ", '@" ~ run_started_at ~ "')") }})
{%- endmacro %}
