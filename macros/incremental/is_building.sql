{#- is_building(): whether this model is about to be written; in all other commands, as in `dbt docs`, it is only described. -#}
{% macro is_building() %}
    {% do return(model.resource_type == 'model' and flags.WHICH in ['build', 'run', 'retry']) %}
{% endmacro %}
