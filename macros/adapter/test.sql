{#-
A data test as dbt runs it, unless it is known to pass: `frazil run` names in FRAZIL_PROVEN the tests that passed in its
last build, over the very snapshots that stood when this one began. If the nodes a test reads have written nothing in
this run either, its query would read the same rows again; if it looks at each row by itself, it has passed for each that
was written (`row_tests`). The result then says UNCHANGED. Plain dbt names none.
-#}
{% materialization test, adapter='spark' %}
    {% if is_proven() %}
        {% do store_raw_result(
            'main', message='UNCHANGED', code='UNCHANGED', rows_affected=0, agate_table=run_state().passed
        ) %}
        {{ return({'relations': []}) }}
    {% else %}
        {{ return(dbt.materialization_test_default()) }}
    {% endif %}
{% endmaterialization %}

{% macro is_proven() %}
    {% set state = run_state() %}
    {% if model.unique_id not in env_var('FRAZIL_PROVEN', '').split(',') or should_store_failures() %}
        {% do return(false) %}
    {% endif %}
    {% for id in model.depends_on.nodes if id in selected_resources and id not in state.unchanged %}
        {% if model.unique_id not in state.held %}
            {% do return(false) %}
        {% endif %}
    {% endfor %}
    {% if 'passed' not in state %}
        {% do state.update({
            'passed': run_query('select 0 as failures, false as should_warn, false as should_error')
        }) %}
    {% endif %}
    {% do return(true) %}
{% endmacro %}
