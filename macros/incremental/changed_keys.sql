{#-
changed_keys(relation, row_key, columns): the distinct `columns` of the rows of a parent that changed since this model
last read it, as they are now and as they were then; of all rows in a first or full build. Rows of other groups keep
their values, so recomputing these groups is enough.

`stamp` is raised at each change of a row. by='stamp' is for parents whose rows are removed by nothing but a rebuild
(staging: soft deletes); by='difference' finds removed rows always, by what the old snapshot has and the new one has not.
-#}
{% macro changed_keys(relation, row_key, columns, stamp='_built_at', by='difference') -%}
    {%- set state = parent_state(relation) -%}
    {%- if state.last_pinned_at is none -%}
        select distinct {{ columns }} from {{ relation }} {{ pin_clause(state) }}
    {%- elif state.last_pin is none -%}
        {{ exceptions.raise_compiler_error(
            this ~ ' last read ' ~ relation ~ ' at ' ~ state.last_pinned_at ~ ', a snapshot that has expired; build it'
            ~ ' once with: dbt build --full-refresh --select ' ~ this.identifier
        ) }}
    {%- elif state.last_pin == state.pin -%}
        select {{ columns }} from {{ relation }} {{ pin_clause(state) }} where false
    {%- else -%}
        {%- set changed = stamp ~ " > timestamp '" ~ state.last_pinned_at ~ " UTC'" -%}
        select {{ columns }} from {{ relation }} {{ pin_clause(state) }} where {{ changed }}
        union distinct
        {% if by == 'stamp' and state.is_traced -%}
        select {{ columns }} from {{ relation }} {{ version_as_of(state.last_pin) }}
        where {{ row_key }} in (
            select {{ row_key }} from {{ relation }} {{ version_as_of(state.pin) }} where {{ changed }}
        )
        {%- else -%}
        {%- set compared = (row_key ~ ', ' ~ columns ~ ', ' ~ stamp).split(', ') | unique | join(', ') -%}
        select {{ columns }} from (
            select {{ compared }} from {{ relation }} {{ version_as_of(state.last_pin) }}
            except
            select {{ compared }} from {{ relation }} {{ version_as_of(state.pin) }}
        ) as rows_no_more
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#-
keys_no_more(relation, key): of a parent whose rows are removed by nothing but a rebuild, the keys that were there when this
model last read it and are no more.
-#}
{% macro keys_no_more(relation, key) -%}
    {%- set state = parent_state(relation) -%}
    {%- if may_have_lost(relation) -%}
    select {{ key }} from {{ relation }} {{ version_as_of(state.last_pin) }}
    except
    select {{ key }} from {{ relation }} {{ pin_clause(state) }}
    {%- else -%}
    select {{ key }} from {{ relation }} {{ pin_clause(state) }} where false
    {%- endif -%}
{%- endmacro %}

{#- may_have_lost(relation): whether such a parent was rebuilt since this model last read it. -#}
{% macro may_have_lost(relation) %}
    {% set state = parent_state(relation) %}
    {% do return(state.last_pin is not none and not state.is_traced) %}
{% endmacro %}
