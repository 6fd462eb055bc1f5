{#-
model_version(): which weights a row was made with, as a literal: the first 12 digits of the SHA-256 that dbt takes of
`seeds/er_weights.csv` (of the text without white space at its ends).
-#}
{% macro model_version() -%}
    {%- if execute -%}
    '{{ graph.nodes['seed.' ~ project_name ~ '.er_weights'].checksum.checksum[:12] }}'
    {%- endif -%}
{%- endmacro %}
