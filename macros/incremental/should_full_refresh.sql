{#-
As dbt's own, and true for the models named in FRAZIL_REBUILD (comma separated): `frazil run` rebuilds those whose
code changed in the same run that updates the others.
-#}
{% macro should_full_refresh() %}
    {% set configured = config.get('full_refresh') %}
    {% if configured is not none %}
        {% do return(configured) %}
    {% endif %}
    {% do return(flags.FULL_REFRESH or model.name in env_var('FRAZIL_REBUILD', '').split(',')) %}
{% endmacro %}
