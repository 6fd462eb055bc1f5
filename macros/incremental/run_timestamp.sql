{#- run_timestamp(): when this run started, in UTC; the change stamp of every row the run writes. -#}
{% macro run_timestamp() -%}
    {{ utc_literal(run_started_at) }}
{%- endmacro %}

{#- utc_literal(moment): a Python datetime that is in UTC, as a SQL literal. -#}
{% macro utc_literal(moment) -%}
    timestamp '{{ moment.strftime('%Y-%m-%d %H:%M:%S.%f') }} UTC'
{%- endmacro %}
