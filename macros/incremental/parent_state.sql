{#-
parent_state(relation): what this model reads of a parent, found once, before it is read.

    pin, pinned_at            the parent's current snapshot and when it was made
    last_pin, last_pinned_at  the snapshot this model read in its last successful run

All four are none while parsing and in unit tests, and the last two in a first build or when a rebuild is asked for.
A parent without any snapshot has no pin. The old snapshot having expired is an error: what changed since cannot be known
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

{% macro read_parent_state(relation) %}
    {% set state = {'pin': none, 'pinned_at': none, 'last_pin': none, 'last_pinned_at': none} %}
    {% if execute and model.resource_type == 'model' and relation.schema %}
        {% set row = run_query(parent_state_query(relation)).rows[0] %}
        {% do state.update({'pin': marked_value(row[0]), 'pinned_at': marked_value(row[1])}) %}
        {% if is_incremental() and not rebuild_asked() and row[3] is not none %}
            {% do state.update({'last_pin': marked_value(row[2]), 'last_pinned_at': marked_value(row[3])}) %}
        {% endif %}
    {% endif %}
    {% do return(state) %}
{% endmacro %}

{#- Values carry an @ in front, so that dbt hands them over as text and never as its own guess at a type. -#}
{% macro parent_state_query(relation) -%}
    select
        concat('@', cast(max_by(snapshots.snapshot_id, snapshots.made_current_at) as {{ dbt.type_string() }})),
        concat('@', {{ utc_text_of('max(snapshots.made_current_at)') }}),
        concat('@', cast(
            max_by(snapshots.snapshot_id, snapshots.made_current_at)
                filter (where snapshots.made_current_at <= watermarks.last_sync_timestamp)
            as {{ dbt.type_string() }}
        )),
        concat('@', {{ utc_text_of('max(watermarks.last_sync_timestamp)') }})
    from {{ history_of(relation) }} as snapshots
    cross join (
        select max(last_sync_timestamp) as last_sync_timestamp
        from {{ watermarks_table() }}
        where pipeline_name = '{{ this.identifier }}' and source_table = '{{ relation_name(relation) }}'
    ) as watermarks
{%- endmacro %}

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
