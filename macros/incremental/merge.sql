{#-
merge_statement(target, changes, columns, into_stored, are_whole): writes the rows `changes_sql` found; the order guard holds
here as well. `into_stored` leaves new rows out, and says that the changes are few; `are_whole`, that no change needs a value
of the row it replaces: the engine then reads no more of the stored table than the guard does.
-#}
{% macro merge_statement(target, changes, columns, into_stored=false, are_whole=false) -%}
    {%- set by_position = merges_by_position() -%}
    merge into {{ target }} as stored
    using {{ '(select ' ~ small_side('few') ~ ' * from ' ~ changes ~ ' as few where not _is_new)' if into_stored else changes }} as changes
    on {{ keys_equal('stored', 'changes') }}
    when matched and changes._is_gone then delete
    when matched {% if by_position %}and {{ is_later('changes', 'stored', columns) }} {% endif %}then update set
        {% for name in columns -%}
        {{ name }} = {{ merged_value(name, columns, are_whole) if by_position else 'changes.' ~ name }}{{ ',' if not loop.last }}
        {% endfor %}
    {%- if not into_stored %}
    when not matched and not changes._is_gone then insert ({{ columns | join(', ') }})
        values ({{ 'changes.' ~ (columns | join(', changes.')) }})
    {%- endif %}
{%- endmacro %}

{#-
merged_value(name, columns, are_whole): one column of a staging row from its two sides: any order of events ends alike.

A delete carries no values: a row keeps those of its latest change (`_position`) and the time of its latest delete
(`_deleted_position`), each moved only forward; it is deleted unless its change is the later of the two. With
`meta.copies` a row whose change is the later of the two may be missing in a copy: the side of that change knows.
-#}
{% macro merged_value(name, columns, are_whole) -%}
    {%- set deletes = '_deleted_position' in columns -%}
    {%- set newest = 'greatest(coalesce(changes.{0}, \'\'), coalesce(stored.{0}, \'\'))' -%}
    {%- if not deletes or name in ['_staged_at'] or name in key_columns() -%}
        changes.{{ name }}
    {%- elif name == 'is_deleted' -%}
        {{ newest.replace('{0}', '_deleted_position') }} >= {{ newest.replace('{0}', '_position') }}
        {%- if in_copies_too() %}
        or case when changes._position >= stored._position then changes.is_deleted else stored.is_deleted end
        {%- endif %}
    {%- elif name == 'deleted_at' and in_copies_too() -%}
        case
            when {{ newest.replace('{0}', '_deleted_position') }} >= {{ newest.replace('{0}', '_position') }}
                then case when {{ is_later_delete('changes', 'stored') }} then changes.deleted_at else stored.deleted_at end
            when changes._position >= stored._position then changes.deleted_at
            else stored.deleted_at
        end
    {%- elif name in ['deleted_at', '_deleted_position'] -%}
        case when {{ is_later_delete('changes', 'stored') }} then changes.{{ name }} else stored.{{ name }} end
    {%- elif name == '_loaded_at' -%}
        greatest(changes._loaded_at, stored._loaded_at)
    {%- elif are_whole -%}
        changes.{{ name }}
    {%- else -%}
        case when {{ is_later_change('changes', 'stored', columns) }} then changes.{{ name }} else stored.{{ name }} end
    {%- endif -%}
{%- endmacro %}

{#- rows_added(table): the rows that the newest commit of this run wrote to a table; a row that was changed is one. -#}
{% macro rows_added(table) %}
    {% set rows = run_query(
        "select concat('@', element_at(summary, 'added-records')) from " ~ table.schema ~ '.' ~ table.identifier
        ~ '.snapshots where committed_at >= ' ~ run_timestamp() ~ ' order by committed_at desc limit 1'
    ).rows %}
    {% do return((marked_value(rows[0][0]) or '0') | int if rows else 0) %}
{% endmacro %}
