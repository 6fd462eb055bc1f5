{#-
since_watermark([relation, column]): what stands behind a table's name to read only what this model has not read yet.

Without arguments it is the model's one parent and `_loaded_at`. In a first or full build it only pins the snapshot. Of raw
tables, which are only appended to, it is what was appended since, exactly; where that is not known any more, rows by their
time, and those of the last `lookback_seconds` again: a commit may become visible that long after its `_loaded_at`.
A parent without a new snapshot is not read at all.
-#}
{% macro since_watermark(relation=none, column='_loaded_at') -%}
    {%- set parent = relation or only_parent() -%}
    {%- set state = parent_state(parent) -%}
    {%- set is_raw = column == '_loaded_at' -%}
    {%- set appended = appended_since(parent) if is_raw and not is_unchanged(parent) else none -%}
    {{ appended or pin_clause(state) }}
    {%- if is_unchanged(parent) %}
    where false
    {%- elif state.last_pinned_at is not none and not appended %}
        {%- set seconds = var('lookback_seconds') if is_raw else 0 %}
    where {{ column }} > {{ utc_literal(utc_moment(state.last_pinned_at) - modules.datetime.timedelta(seconds=seconds)) }}
    {%- endif -%}
{%- endmacro %}

{#- is_unchanged(relation): whether this model has read the parent's present snapshot before, so that it reads no row of it. -#}
{% macro is_unchanged(relation) %}
    {% set state = parent_state(relation) %}
    {% do return(state.last_pin is not none and state.last_pin == state.pin) %}
{% endmacro %}

{#- pinned(relation): reads the parent's snapshot of this moment, whole. -#}
{% macro pinned(relation) -%}
    {{ pin_clause(parent_state(relation)) }}
{%- endmacro %}

{% macro only_parent() %}
    {% if model.sources %}
        {% do return(source(*model.sources[0])) %}
    {% endif %}
    {% do return(ref(model.refs[0].name)) %}
{% endmacro %}
