{#-
changes_sql(candidates, target, columns, are_few, repeats): the rows to write, as the model's columns, with `_is_gone` for
rows to delete and `_is_new` for those whose key is not stored yet. Of few of many, where positions decide, `_is_whole` tells
those that nothing of the stored row is kept of but what a narrow look at it tells. `repeats`: `may_repeat` holds of some.
-#}
{% macro changes_sql(candidates, target, columns, are_few=false, repeats=true) -%}
    {%- if merges_by_position() -%}
        {{ later_rows(candidates, target, columns, are_few, repeats) }}
    {%- else -%}
        {{ different_rows(candidates, target, columns, are_few) }}
    {%- endif -%}
{%- endmacro %}

{#-
is_later(new, old, columns): the order guard. Which change is later, at one place which was received earlier (a body
sent again must not replace the first), and, where deletes exist, the same of the deletes. With `meta.copies` a living
row may also turn out to be missing in a copy, and the other way round.
-#}
{% macro is_later(new, old, columns) -%}
    ({{ is_later_change(new, old, columns) }}
    {%- if '_deleted_position' in columns %}
        or {{ is_later_delete(new, old) }}
    {%- endif -%}
    {%- if in_copies_too() %}
        or {{ new }}._position = {{ old }}._position
        and coalesce({{ old }}._deleted_position, '') < {{ old }}._position
        and {{ new }}.deleted_at is distinct from {{ old }}.deleted_at
    {%- endif -%})
{%- endmacro %}

{#- `meta.merge_by: position`: places in the source's order decide what is stored. -#}
{% macro merges_by_position() %}
    {% do return(config.get('meta', {}).get('merge_by', 'difference') == 'position') %}
{% endmacro %}

{#- `meta.copies`: the rows come in whole copies of the source's table, too (`database_changes`). -#}
{% macro in_copies_too() %}
    {% do return(config.get('meta', {}).get('copies', false)) %}
{% endmacro %}

{% macro is_later_change(new, old, columns) -%}
    ({{ new }}._position > {{ old }}._position
    {%- if '_received_at' in columns %}
        or {{ new }}._position = {{ old }}._position and {{ new }}._received_at < {{ old }}._received_at
    {%- endif -%}
    {%- if in_copies_too() and '_raw_overflow' in columns %}
        or {{ new }}._position = {{ old }}._position and {{ left_out(new ~ '._raw_overflow') }}
    {%- endif -%})
{%- endmacro %}

{% macro is_later_delete(new, old) -%}
    (coalesce({{ new }}._deleted_position, '') > coalesce({{ old }}._deleted_position, '')
    {%- if not in_copies_too() %}
        or {{ new }}._deleted_position = {{ old }}._deleted_position and {{ new }}.deleted_at < {{ old }}.deleted_at
    {%- endif -%})
{%- endmacro %}

{#- Of few of many only the columns that places are told by are read from the stored table, unless a candidate may repeat. -#}
{% macro later_rows(candidates, target, columns, are_few, repeats) -%}
    {%- set compares = in_copies_too() and (repeats or not are_few) -%}
    select
        candidates.*,
        false as _is_gone,
        stored.{{ key_columns()[0] }} is null as _is_new
        {%- if are_few %},
        {{ is_later_change('candidates', 'stored', columns) }} as _is_whole
        {%- endif %}
    from {{ candidates }} as candidates
    left join {{ stored_rows_of(candidates, target, are_few) }} as stored
        on {{ keys_equal('candidates', 'stored') }}
    where stored.{{ key_columns()[0] }} is null or {{ is_later('candidates', 'stored', columns) }}
    {%- if compares %}
        and not ({{ repeats_in_copy('candidates', 'stored', columns) }})
    {%- endif -%}
{%- endmacro %}

{#-
A row of a newer copy (its place has an @) that says what is stored already. Leaving it out lets a copy cost what it
changes; its place is then not stored, which `log_told` makes up for. The same of a row that the log left values out
of, read again in case an older row with one of them has come since.
-#}
{% macro repeats_in_copy(new, old, columns) -%}
    (
        {{ new }}._position like '%@%'
        {%- if '_raw_overflow' in columns %}
        or {{ new }}._position = {{ old }}._position and {{ left_out(new ~ '._raw_overflow') }}
        {%- endif %}
    )
    and coalesce({{ new }}._deleted_position, '') <= coalesce({{ old }}._deleted_position, '')
    {%- for name in columns if not name.startswith('_') and name not in key_columns() %}
    and {{ new }}.{{ name }} is not distinct from {{ old }}.{{ name }}
    {%- endfor %}
    {%- if '_raw_overflow' in columns %}
    and map_entries({{ new }}._raw_overflow) is not distinct from map_entries({{ old }}._raw_overflow)
    {%- endif -%}
{%- endmacro %}

{#- may_repeat(columns): what holds of every candidate of which `repeats_in_copy` can hold, whatever is stored. -#}
{% macro may_repeat(columns) -%}
    _position like '%@%'{% if '_raw_overflow' in columns %} or {{ left_out('_raw_overflow') }}{% endif %}
{%- endmacro %}

{% macro different_rows(candidates, target, columns, are_few) -%}
    {%- set meta = config.get('meta', {}) -%}
    {%- set stamps = ['_built_at', '_staged_at'] + meta.get('stamps', []) -%}
    {%- set compared = [] -%}
    {%- for name in columns if name not in key_columns() + stamps -%}
        {%- do compared.append('candidates.' ~ name ~ ' is distinct from stored.' ~ name) -%}
    {%- endfor -%}
    select
        candidates.*,
        {{ is_gone('candidates') }} as _is_gone,
        stored.{{ key_columns()[0] }} is null as _is_new
    from {{ candidates }} as candidates
    left join {{ stored_rows_of(candidates, target, are_few) }} as stored
        on {{ keys_equal('candidates', 'stored') }}
    where
        {{ keys_present('candidates') }}
        and (stored.{{ key_columns()[0] }} is null or {{ compared | join(' or ') }})
        {%- if meta.get('gone_without') %}
        and (stored.{{ key_columns()[0] }} is not null or not {{ is_gone('candidates') }})
        {%- endif -%}
    {%- if meta.get('recompute') %}
    union all
    select {{ 'stored.' ~ (columns | join(', stored.')) }}, true as _is_gone, false as _is_new
    from {{ target }} {{ as_it_stands() }} as stored
    left semi join {{ candidates }} as recomputed on
        {% for name in meta.recompute %}{{ 'and ' if not loop.first }}stored.{{ name }} = recomputed.{{ name }} {% endfor %}
    left anti join {{ candidates }} as candidates on {{ keys_equal('candidates', 'stored') }}
    {%- endif -%}
{%- endmacro %}

{#- What the candidates are compared with: what the model has `looked_up`, the rows of their few keys, or the whole table. -#}
{% macro stored_rows_of(candidates, target, are_few) -%}
    {%- if model.unique_id in run_state().looked_up -%}
    {{ run_state().looked_up[model.unique_id] }}
    {%- elif not are_few -%}
    {{ target }} {{ as_it_stands() }}
    {%- else -%}
    (
        select {{ small_side('wanted') }} found.*
        from {{ target }} {{ as_it_stands() }} as found
        left semi join {{ candidates }} as wanted on {{ keys_equal('found', 'wanted') }}
    )
    {%- endif -%}
{%- endmacro %}

{#- Rows that only arrive differ from nothing: the stored columns are not read, but for the keys. -#}
{% macro note_if_new(candidates, target) %}
    {% set sql -%}
        select {{ small_side('wanted') }} 1
        from {{ target }} {{ as_it_stands() }} as found
        left semi join {{ candidates }} as wanted on {{ keys_equal('found', 'wanted') }}
        limit 1
    {%- endset %}
    {% if model.unique_id not in run_state().looked_up and not run_query(sql).rows %}
        {% do nothing_stored() %}
    {% endif %}
{% endmacro %}

{#- nothing_stored(): says that no key this model may write is stored, and returns the rows that are: none. -#}
{% macro nothing_stored() %}
    {% set rows = '(select * from ' ~ this ~ ' ' ~ as_it_stands() ~ ' where false)' %}
    {% do run_state().looked_up.update({model.unique_id: rows}) %}
    {% do return(rows) %}
{% endmacro %}

{#-
looked_up(rows): says that a relation has all stored rows whose keys this model may write, with all columns but stamps: what
differs from them is then found without another look through the table. Not where `rows` are no kept step: a query of few.
-#}
{% macro looked_up(rows) %}
    {% if execute and is_building() and not rows.startswith('(') %}
        {% do run_state().looked_up.update({model.unique_id: rows}) %}
    {% endif %}
    {% do return(rows) %}
{% endmacro %}

{#- `meta.gone_without` names a column that no living row lacks: where it is null, the row says that its key is gone. -#}
{% macro is_gone(side) -%}
    {%- set column = config.get('meta', {}).get('gone_without') -%}
    {{ '(' ~ side ~ '.' ~ column ~ ' is null)' if column else 'false' }}
{%- endmacro %}

{% macro key_columns() %}
    {% set keys = config.require('unique_key') %}
    {% do return([keys] if keys is string else keys) %}
{% endmacro %}

{% macro keys_equal(left, right) -%}
    {% for key in key_columns() %}{{ 'and ' if not loop.first }}{{ left }}.{{ key }} = {{ right }}.{{ key }} {% endfor %}
{%- endmacro %}

{% macro keys_present(side) -%}
    {% for key in key_columns() %}{{ 'and ' if not loop.first }}{{ side }}.{{ key }} is not null {% endfor %}
{%- endmacro %}
