{#-
As dbt's own, and true for the models named in FRAZIL_REBUILD (comma separated): `frazil run` rebuilds those whose
code changed in the same run that updates the others.
-#}
{% macro should_full_refresh() %}
    {% set configured = config.get('full_refresh') %}
    {% do return(rebuild_asked() if configured is none else configured) %}
{% endmacro %}

{#- A model with `full_refresh: false` then keeps its table and reads all of its parents again. -#}
{% macro rebuild_asked() %}
    {% do return(flags.FULL_REFRESH or model.name in env_var('FRAZIL_REBUILD', '').split(',')) %}
{% endmacro %}
