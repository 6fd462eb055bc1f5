{#-
brings_only_new_keys(relation): whether no row that this model has not read yet can be about a row it has written: since it
last read the parent, whose keys are its own, that was only appended to, and this table was not written since then, as by a
run that died before its watermark moved. False where it cannot be known.
-#}
{% macro brings_only_new_keys(relation) %}
    {% set state = parent_state(relation) %}
    {% if not state.is_traced or is_unchanged(relation) %}
        {% do return(false) %}
    {% endif %}
    {% set unread, own = [], [''] %}
    {% for table, operation, marked in run_query(commits_query(relation) ~ ' union all ' ~ commits_query(this)).rows %}
        {% set moment = marked_value(marked) %}
        {% if operation == 'replace' %}
            {#- The same rows in other files. -#}
        {% elif table == relation_name(this) %}
            {% do own.append(moment) %}
        {% elif state.last_pinned_at < moment <= state.pinned_at %}
            {% do unread.append((moment, operation)) %}
        {% endif %}
    {% endfor %}
    {% set is_appended = unread | map(attribute=1) | unique | list == ['append'] %}
    {% do return(is_appended and own | max < (unread | map(attribute=0) | min)) %}
{% endmacro %}

{% macro commits_query(relation) -%}
    select '{{ relation_name(relation) }}', operation, concat('@', {{ utc_text_of('committed_at') }})
    from {{ commits_of(relation) }}
{%- endmacro %}
