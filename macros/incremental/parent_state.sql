{#-
parent_state(relation): what this model reads of a parent, found once, before it is read.

    pin, pinned_at            the parent's current snapshot and when it was made
    last_pin, last_pinned_at  the snapshot this model read in its last successful run
    is_traced                 whether every snapshot from last_pin to pin is still known
    stays_traced              whether last_pin will not expire while the model runs, either

The first four are none where nothing is built (parsing, docs, unit tests) and in a view, which reads what is there
whenever it is read; last_pin and last_pinned_at also in a first build or when a rebuild is asked for, and last_pin when
the snapshot has expired: what changed since cannot be known any more. A model that tells what became of its parent
(`meta: {remembers: true}`, with `full_refresh: false`) goes on from where it was also in a rebuild. A parent without any
snapshot has no pin.
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
    {% set state = {
        'pin': none, 'pinned_at': none, 'last_pin': none, 'last_pinned_at': none,
        'is_traced': false, 'stays_traced': false,
    } %}
    {% if execute and is_building() and model.config.materialized != 'view' and relation.schema %}
        {% if is_incremental() and (not rebuild_asked() or model.config.get('meta', {}).get('remembers')) %}
            {% do state.update({'last_pinned_at': model_watermarks().get(relation_name(relation))}) %}
        {% endif %}
        {% set before = {} %}
        {% for id, parent_id, made_current_at in snapshots_of(relation) %}
            {% set moment = marked_value(made_current_at) %}
            {% do before.update({marked_value(id): marked_value(parent_id)}) %}
            {% if moment >= (state.pinned_at or '') %}
                {% do state.update({'pin': marked_value(id), 'pinned_at': moment}) %}
                {% if moment <= (state.last_pinned_at or '') %}
                    {% do state.update({'last_pin': marked_value(id)}) %}
                {% endif %}
            {% endif %}
        {% endfor %}
        {% set traced = namespace(id=state.pin, newer=0) %}
        {% for _ in before %}
            {% if traced.id not in [none, state.last_pin] %}
                {% set traced.id = before.get(traced.id) %}
                {% set traced.newer = traced.newer + 1 %}
            {% endif %}
        {% endfor %}
        {% if state.last_pin is not none and traced.id == state.last_pin %}
            {% do state.update({
                'is_traced': true, 'stays_traced': is_kept_for_now(traced.newer, state.last_pinned_at)
            }) %}
        {% endif %}
    {% endif %}
    {% do return(state) %}
{% endmacro %}

{#-
snapshots_of(relation): id, parent and moment of each snapshot that was the relation's current one, marked, oldest first.
All parents are asked at once: a query for each would cost as much as a small model. Not so beside the list of copies,
which must be pinned before the table it tells of.
-#}
{% macro snapshots_of(relation) %}
    {% set found = model.setdefault('_snapshots', {}) %}
    {% if relation_name(relation) not in found %}
        {% set queries = {relation_name(relation): snapshots_query(relation)} %}
        {% for parent in pinned_parents() %}
            {% do queries.update({relation_name(parent): snapshots_query(parent)}) %}
        {% endfor %}
        {% for name in queries %}
            {% do found.update({name: []}) %}
        {% endfor %}
        {% for name, id, parent_id, moment in run_query(queries.values() | join(' union all ')).rows %}
            {% do found[name].append((id, parent_id, moment)) %}
        {% endfor %}
    {% endif %}
    {% do return(found[relation_name(relation)]) %}
{% endmacro %}

{#- The models, snapshots and sources this model reads; none if the list of copies is among them. -#}
{% macro pinned_parents() %}
    {% set found = [] %}
    {% for id in model.depends_on.nodes if not id.startswith('seed.') %}
        {% set parent = graph.sources[id] if id.startswith('source.') else graph.nodes[id] %}
        {% set identifier = parent.identifier if id.startswith('source.') else parent.alias %}
        {% if parent.schema ~ '.' ~ identifier == 'metadata.bulk_runs' %}
            {% do return([]) %}
        {% endif %}
        {% do found.append(api.Relation.create(schema=parent.schema, identifier=identifier)) %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}

{#- Values carry an @ in front, so that dbt hands them over as text and never as its own guess at a type. -#}
{% macro snapshots_query(relation) -%}
    select
        '{{ relation_name(relation) }}',
        concat('@', cast(snapshot_id as {{ dbt.type_string() }})),
        concat('@', cast(parent_id as {{ dbt.type_string() }})),
        concat('@', {{ utc_text_of('made_current_at') }})
    from {{ history_of(relation) }}
{%- endmacro %}

{#- model_watermarks(): up to where this model has read its parents, by their names. -#}
{% macro model_watermarks() %}
    {% set all = run_state().watermarks %}
    {% if all is none %}
        {% set all = read_watermarks() %}
        {% do run_state().update({'watermarks': all}) %}
    {% endif %}
    {% do return(all.get(this.identifier, {})) %}
{% endmacro %}

{#-
appended_since(relation): behind the relation's name, reads what was appended to it since this model last read it, exactly;
none where that is not known any more, or may not be when it is read. The comment names the pin, as `pin_clause` does.
-#}
{% macro appended_since(relation) %}
    {% set state = parent_state(relation) %}
    {% set clause = appended_between(state.last_pin, state.pin) if state.stays_traced else none %}
    {% do return(clause and clause ~ '\n    -- ' ~ relation_name(relation) ~ ' ' ~ pin_clause(state) ~ '\n') %}
{% endmacro %}

{#- Whether the sink, which drops snapshots of raw tables, has half of what it keeps to go to one with so many newer ones. -#}
{% macro is_kept_for_now(newer, made_current_at) %}
    {% set kept = var('sink_keeps') %}
    {% set now = modules.datetime.datetime.now(modules.pytz.utc).replace(tzinfo=none) %}
    {% set is_young = now - utc_moment(made_current_at) < modules.datetime.timedelta(minutes=kept.minutes / 2) %}
    {% do return(newer < kept.snapshots / 2 or newer < kept.at_most / 2 and is_young) %}
{% endmacro %}

{% macro utc_moment(text) %}
    {% do return(modules.datetime.datetime.strptime(text, '%Y-%m-%d %H:%M:%S.%f')) %}
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
