{#-
run_state(): what the nodes of one dbt run know together; it begins empty, with the run's first hook.

    watermarks  {model: {parent: moment}} as they stood at the run's start; none if no hook has read them
    unchanged   ids of the nodes that ran and wrote nothing
    written     {name of a table: the rows by which this run changed it}
    converted   ids of the models some of whose columns are stored as another type
    held        ids of the tests that every row written in this run has passed (`row_tests`)
    kept        {id of a model: the steps it keeps until it is done}
    kept_schema where steps are kept as files; none if there are none yet
    counted     {name of a kept step: its rows}
    looked_up   {id of a model: a kept step, all that is stored of what it may write (`looked_up`)}
    log_alone   {id of a model that reads nothing but what a database's log brought since: what `log_told` says of it}

A manifest outlives a run where runs share a process, and so would this: it belongs to one invocation.
-#}
{% macro run_state() %}
    {% set state = graph.setdefault('frazil_run', {}) %}
    {% if state.get('invocation_id') != invocation_id %}
        {% do state.update({
            'invocation_id': invocation_id, 'watermarks': none, 'unchanged': [], 'written': {}, 'converted': [], 'held': [],
            'kept': {}, 'kept_schema': none, 'counted': {}, 'looked_up': {}, 'log_alone': {},
        }) %}
    {% endif %}
    {% do return(state) %}
{% endmacro %}
