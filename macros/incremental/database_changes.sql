{#-
database_changes(relation, keys): of a database's raw table, what this model has not read yet, one row per key: its
latest change, or, where only deletes came, a row of nulls. Rows come in whole copies (`_load_type` batch), which
count once metadata.bulk_runs lists them and are then read by `_run_id`, and from the source's log. A key is deleted
by the log, or by a copy that begins after the last mention of the key and does not have it; a truncated table is listed
as an empty copy. A value that the log left out (`left_out`) is that of the latest row that has it, whenever it came: all
rows of such a key are read again. Without a key there is no telling which row the log means: copies alone are read.

    keys           the key column's name, or the names of several; none where the table has no key
    overflowing    those of them whose value may be in _raw_overflow instead
    identified_by  without a key: the columns whose values, and which of equal rows it is, stand for one

Adds to the raw columns:
    _change_position   the change's place in the source's order, '' where only deletes came; see `place_of_copy`
    _deleted_position  the place of the latest delete in the log, null without one
    _is_deleted        whether the key is gone
    _deleted_at        since when: the log's time, or the beginning of the first copy without the key; null if it lives
    _row_key           without a key: what stands for one
Models say so with meta {'merge_by': 'position', 'copies': true}: the merge then knows both ways to be deleted.
-#}
{% macro database_changes(relation, keys, overflowing=[], identified_by=none) -%}
    {%- set reading = database_reading(relation, keys, overflowing) -%}
    {%- set key = key_values(keys, overflowing) if keys else '_row_key' -%}
    {%- set deleted_position = "case when _op = 'd' then _place end" -%}
    {%- set deleted_time = "case when _op = 'd' then _source_at end" -%}
    {{ reading.note }}
    select
        *,
        coalesce(_deleted_position, '') >= _change_position or {{ missing_since(reading.copies) }} is not null
            as _is_deleted,
        case
            when coalesce(_deleted_position, '') >= _change_position then _log_deleted_at
            else {{ missing_since(reading.copies) }}
        end as _deleted_at
    from (
        select
            {{ folded_columns(relation, key, reading.lacking) }},
            row_number() over (partition by {{ key }} order by _change_position desc, _event_id) as _rank,
            max({{ deleted_position }}) over (partition by {{ key }}) as _deleted_position,
            first_value({{ deleted_time }}) over (
                partition by {{ key }} order by {{ deleted_position }} desc nulls last, _event_id
            ) as _log_deleted_at
        from (
            select
                *,
                {%- if not keys %}
                concat(
                    _content_hash, '-',
                    cast(row_number() over (partition by _run_id, _content_hash order by _event_id) as {{ dbt.type_string() }})
                ) as _row_key,
                {%- endif %}
                case when _op = 'd' then '' else _place end as _change_position
            from (
                select
                    *,
                    {%- if not keys %}
                    {{ content_hash(identified_by or []) }} as _content_hash,
                    {%- endif %}
                    {{ place_in_source(reading.copies) }} as _place
                from {{ relation }} {{ reading.rows or pin_clause(reading.state) }}
            ) as placed
            where {{ reading.condition }}
        ) as events
    ) as ranked
    where _rank = 1
{%- endmacro %}

{#- All columns; of those that the log left out in some row, the value of the latest row of the key that has one. -#}
{% macro folded_columns(relation, key, lacking) -%}
    {%- if not lacking -%}
        *
    {%- else -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- set name = adapter.quote(column.name) -%}
            {%- if column.name in lacking %}
            first_value({{ name }}) over (
                partition by {{ key }}
                order by
                    case
                        when element_at(_raw_overflow, '{{ column.name }}') = '{{ placeholder() }}' then ''
                        else _change_position
                    end desc, _event_id
            ) as {{ name }},
            {%- else %}
            {{ name }},
            {%- endif -%}
        {%- endfor %}
            _place,
            _change_position
    {%- endif -%}
{%- endmacro %}

{% macro key_values(keys, overflowing) %}
    {% set found = [] %}
    {% for name in ([keys] if keys is string else keys) %}
        {% set column = adapter.quote(name) %}
        {% do found.append(
            'coalesce(cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ "), element_at(_raw_overflow, '" ~ name ~ "'))"
            if name in overflowing else column
        ) %}
    {% endfor %}
    {% do return(found | join(', ')) %}
{% endmacro %}

{#-
database_reading(relation): which rows of a raw table are due, decided before it is read.

The list of copies is pinned before the raw table: whatever it lists is then in raw, whole. With a new copy, the newest
one read before is read again, with the log behind it: only there can keys be that lived until now. So is one whose last views
stand behind the newest's beginning. A copy that turns up late, behind newer ones, makes everything due.
-#}
{% macro database_reading(relation, keys, overflowing) %}
    {% set runs = source('metadata', 'bulk_runs') %}
    {% set runs_state = parent_state(runs) %}
    {% set copies = known_copies(relation, runs, runs_state) %}
    {% set state = parent_state(relation) %}
    {% set reading = {'state': state, 'copies': copies, 'note': '', 'condition': 'true', 'lacking': [], 'rows': none} %}
    {% if runs_state.pin is not none %}
        {% do reading.update({'note': '-- copies: ' ~ relation_name(runs) ~ ' ' ~ pin_clause(runs_state)}) %}
    {% endif %}
    {% if execute %}
        {% do reading.update({'condition': due_rows(relation, state, copies, keys)}) %}
        {% if keys and state.pin is not none and reading.condition != 'false' %}
            {% do read_keys_whole(relation, reading, key_values(keys, overflowing)) %}
        {% endif %}
        {% if model.unique_id in run_state().log_alone and not reading.lacking %}
            {% set rows = appended_since(relation) %}
            {% do reading.update({'rows': rows, 'condition': reading.condition if rows is none else in_log(keys)}) %}
        {% endif %}
    {% endif %}
    {% do return(reading) %}
{% endmacro %}

{#- Keys among the due rows of which any row, due or not, lacks values: all their rows are due. -#}
{% macro read_keys_whole(relation, reading, key) %}
    {% set pinned = relation ~ ' ' ~ version_as_of(reading.state.pin) %}
    {#- Only the log leaves values out. Its load types sort behind `batch`: files of copies are then left out by their bounds. -#}
    {% set rows_lacking = "_load_type > 'batch' and _raw_overflow is not null and " ~ left_out('_raw_overflow') %}
    {% if not run_query('select 1 from ' ~ pinned ~ ' where ' ~ rows_lacking ~ ' limit 1').rows | length %}
        {% do return('') %}
    {% endif %}
    {% set due = 'from (select *, ' ~ place_in_source(reading.copies) ~ ' as _place from ' ~ pinned ~ ') as placed where ('
        ~ reading.condition ~ ')' %}
    {% set whole = key_in(key, 'select ' ~ key ~ ' from ' ~ pinned ~ ' where ' ~ rows_lacking) ~ ' and '
        ~ key_in(key, 'select ' ~ key ~ ' ' ~ due) %}
    {% set rows = 'from ' ~ pinned ~ ' where ' ~ whole %}
    {% for row in run_query(left_out_names('_raw_overflow', rows)).rows %}
        {% do reading.lacking.append(row[0]) %}
    {% endfor %}
    {% if reading.lacking %}
        {% set counted = "(_load_type <> 'batch' and _op <> 't' or " ~ in_copies(reading.copies) ~ ')' %}
        {% do reading.update({'condition': '(' ~ reading.condition ~ ') or ' ~ counted ~ ' and ' ~ whole}) %}
    {% endif %}
{% endmacro %}

{% macro key_in(key, query) %}
    {% do return(('(' ~ key ~ ')' if ',' in key else key) ~ ' in (' ~ query ~ ')') %}
{% endmacro %}

{% macro due_rows(relation, state, copies, keys) %}
    {% set new = copies | rejectattr('is_read') | list %}
    {% set read = copies | selectattr('is_read') | list %}
    {% if state.last_pinned_at is none %}
        {% do return('(' ~ in_log(keys) ~ ') or ' ~ in_copies(copies)) %}
    {% elif not new and state.last_pin is not none and state.last_pin == state.pin %}
        {% do return('false') %}
    {% elif read and new and new[0].place < read[-1].place %}
        {% do return('(' ~ in_log(keys) ~ ') or ' ~ in_copies(copies)) %}
    {% endif %}
    {% set recent = '_loaded_at > ' ~ lookback_literal(state) %}
    {% set standing = standing_copies(relation, state, copies, read) %}
    {% set told = log_told(relation, state, copies, standing, keys, recent) if keys and not new else none %}
    {% if not new and not (told and told.is_late) %}
        {% do run_state().log_alone.update({model.unique_id: told}) %}
        {% do return(in_log(keys) ~ ' and ' ~ recent) %}
    {% endif %}
    {% set after = (" and (_place > '" ~ read[-1].place ~ "' or " ~ recent ~ ')') if read else '' %}
    {% do return('(' ~ in_log(keys) ~ after ~ ') or ' ~ in_copies(standing + new)) %}
{% endmacro %}

{#- The log's rows that tell of one row each; none where there is no telling which row they mean. -#}
{% macro in_log(keys) %}
    {% do return("_load_type <> 'batch' and _op <> 't'" if keys else 'false') %}
{% endmacro %}

{#-
Of the copies read before, those with a row behind which no other copy begins: the newest, and each that was still being
made when the newest began, as when its table was truncated meanwhile.
-#}
{% macro standing_copies(relation, state, copies, read) %}
    {% set older = read[:-1] | rejectattr('consistency', 'eq', 'snapshot') | list %}
    {% if not older %}
        {% do return(read[-1:]) %}
    {% endif %}
    {% set found = [] %}
    {% for row in run_query(
        "select distinct concat('@', _run_id) from " ~ relation ~ ' ' ~ version_as_of(state.pin) ~ ' where '
        ~ in_copies(older) ~ ' and ' ~ place_in_source(copies) ~ " > '" ~ read[-1].place ~ "'"
    ).rows %}
        {% do found.append(marked_value(row[0])) %}
    {% endfor %}
    {% do return((older | selectattr('run_id', 'in', found) | list) + read[-1:]) %}
{% endmacro %}

{#-
log_told(relation, state, copies, standing, keys, recent): of the log's rows that are due, whether there are such from before
the end of a copy that stands (`is_late`), and such that make rows (`makes_rows`) instead of changing or deleting them.

A late row must not replace what that copy has. The stored row cannot tell: copies that repeat its values do not touch it
(`later_rows`). So the copy is read again; a log is rarely that late.
-#}
{% macro log_told(relation, state, copies, standing, keys, recent) %}
    {% set appended = appended_since(relation) %}
    {% set due = (version_as_of(state.pin) ~ ' where ' ~ recent ~ ' and ') if appended is none else (appended ~ ' where ') %}
    {% set late = 'false' %}
    {% if standing | rejectattr('consistency', 'eq', 'snapshot') | list %}
        {% set late = place_in_source(copies) ~ ' < (select max(' ~ place_in_source(copies) ~ ') from ' ~ relation ~ ' '
            ~ version_as_of(state.pin) ~ ' where ' ~ in_copies(standing) ~ ')' %}
    {% elif standing %}
        {% set late = place_in_source(copies) ~ " < '" ~ standing[-1].place ~ "'" %}
    {% endif %}
    {% set row = run_query(
        "select count_if(" ~ late ~ "), count_if(_op not in ('u', 'd')) from " ~ relation ~ ' ' ~ due ~ in_log(keys)
    ).rows[0] %}
    {% do return({'is_late': row[0] | int > 0, 'makes_rows': row[1] | int > 0}) %}
{% endmacro %}

{#- The time that `since_watermark` reads from. -#}
{% macro lookback_literal(state) %}
    {% do return(utc_literal(utc_moment(state.last_pinned_at) - modules.datetime.timedelta(seconds=var('lookback_seconds')))) %}
{% endmacro %}
