{#-
parent_state(relation): what this model reads of a parent, found once, before it is read.

    pin, pinned_at            the parent's current snapshot and when it was made
    last_pin, last_pinned_at  the snapshot this model read in its last successful run

All four are none where nothing is built (parsing, docs, unit tests), and the last two in a first build or when a
rebuild is asked for. A parent without any snapshot has no pin. The old snapshot having expired is an error: what changed since cannot be known
any more.
-#}
{% macro parent_state(relation) %}
    {% set states = model.setdefault('_parent_states', {}) %}
    {% set name = relation_name(relation) %}
    {% if name not in states %}
        {% do states.update({name: read_parent_state(relation)}) %}
    {% endif %}
    {% do return(states[name]) %}
{% endmacro %}

{#- Plain reads without joins or aggregates: each of those would be jobs of its own, for a handful of rows. -#}
{% macro read_parent_state(relation) %}
    {% set state = {'pin': none, 'pinned_at': none, 'last_pin': none, 'last_pinned_at': none} %}
    {% if execute and is_building() and relation.schema %}
        {% if is_incremental() and not rebuild_asked() %}
            {% do state.update({'last_pinned_at': model_watermarks().get(relation_name(relation))}) %}
        {% endif %}
        {% for id, made_current_at in run_query(snapshots_query(relation)).rows %}
            {% set moment = marked_value(made_current_at) %}
            {% if moment >= (state.pinned_at or '') %}
                {% do state.update({'pin': marked_value(id), 'pinned_at': moment}) %}
                {% if moment <= (state.last_pinned_at or '') %}
                    {% do state.update({'last_pin': marked_value(id)}) %}
                {% endif %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {% do return(state) %}
{% endmacro %}

{#- Values carry an @ in front, so that dbt hands them over as text and never as its own guess at a type. -#}
{% macro snapshots_query(relation) -%}
    select
        concat('@', cast(snapshot_id as {{ dbt.type_string() }})),
        concat('@', {{ utc_text_of('made_current_at') }})
    from {{ history_of(relation) }}
{%- endmacro %}

{#- model_watermarks(): up to where this model has read its parents, by their names; found once. -#}
{% macro model_watermarks() %}
    {% if '_watermarks' not in model %}
        {% set found = {} %}
        {% for parent, moment in run_query(
            "select source_table, concat('@', " ~ utc_text_of('last_sync_timestamp') ~ ") from " ~ watermarks_table()
            ~ " where pipeline_name = '" ~ this.identifier ~ "'"
        ).rows %}
            {% do found.update({parent: marked_value(moment)}) %}
        {% endfor %}
        {% do model.update({'_watermarks': found}) %}
    {% endif %}
    {% do return(model['_watermarks']) %}
{% endmacro %}

{% macro marked_value(text) %}
    {% do return(none if text is none else text[1:]) %}
{% endmacro %}

{#- `schema.table`, the name a watermark row has for a table. -#}
{% macro relation_name(relation) %}
    {% do return(relation.schema ~ '.' ~ relation.identifier) %}
{% endmacro %}

{#- ` version as of N`: reads exactly the snapshot the watermark will name; the comment lets the run's end find it. -#}
{% macro pin_clause(state) %}
    {% if state.pin is none %}
        {% do return('') %}
    {% endif %}
    {% do return(version_as_of(state.pin) ~ ' /* pinned ' ~ state.pinned_at ~ ' UTC' ~ ' */') %}
{% endmacro %}
