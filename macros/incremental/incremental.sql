{#-
The one way tables above raw are written on Spark: compute what differs from the stored table, then merge only that.

- First and full builds are `create or replace`: the table stays readable and keeps its snapshots.
- `meta.merge_by: position` (staging): a row replaces a stored one only if its `_position` is strictly greater;
  deletes are folded in beside it (`merge_assignments`).
- `meta.merge_by: difference` (default above staging): rows that say nothing new are left out. With `meta.recompute`
  (columns), the model yields all rows of the groups it yields any row of, and stored rows of these groups that it
  no longer yields are deleted; a row whose key is null only names its group. With `meta.gone_without` (a column), a
  row in which it is null says that its key is gone. `meta.stamps` are columns that alone make no difference.
- `meta.few_of_many`: a run changes few rows of a table of many, as what a database's log brought does (`log_alone`). The
  stored table is looked through for these, never sorted: new rows are appended, behind a merge of the others if there are
  any. A run that dies between the two has not moved its watermark, and the next one writes what is missing.
- When nothing differs, nothing is committed, but for changes that a run has merged which died before its watermark moved.
-#}
{% materialization incremental, adapter='spark', supported_languages=['sql'] %}
    {% set target = this.incorporate(type='table') %}
    {% set existing = load_relation(this) %}
    {{ run_hooks(pre_hooks) }}

    {% if existing is none or not existing.is_table or should_full_refresh() %}
        {% if existing is not none and not existing.is_table %}
            {% do adapter.drop_relation(existing) %}
        {% endif %}
        {% call statement('main') %}
            {{ create_table_as(false, target, full_build_sql(sql)) }}
        {% endcall %}
    {% else %}
        {% do merge_changes(target, existing) %}
    {% endif %}

    {% do persist_docs_if_new(target, existing) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{#- Rows that only name a group, or say that a key is gone, are no rows of a table. -#}
{% macro full_build_sql(sql) %}
    {% set meta = config.get('meta', {}) %}
    {% if not meta.get('recompute') and not meta.get('gone_without') %}
        {% do return(sql) %}
    {% endif %}
    {% do return(
        'select * from (' ~ sql ~ '\n) as built where ' ~ keys_present('built') ~ ' and not ' ~ is_gone('built')
    ) %}
{% endmacro %}

{% macro merge_changes(target, existing) %}
    {% set candidates = this.identifier ~ '__candidates' %}
    {% set of_many = config.get('meta', {}).get('few_of_many') or model.unique_id in run_state().log_alone %}
    {#- Groups are compared both ways, which reads the candidates three times. Kept at the first read: the count. -#}
    {% set is_kept = config.get('meta', {}).get('recompute') or of_many %}
    {% do run_query('drop view if exists ' ~ candidates) %}
    {% call statement('candidates') %}
        {{ 'cache lazy table' if is_kept else 'create temporary view' }} {{ candidates }} as
        {{ sql }}
    {% endcall %}
    {% if config.get('contract').enforced %}
        {% do get_assert_columns_equivalent(sql) %}
    {% endif %}
    {% set columns = adopt_new_columns(candidates, existing) %}
    {% set counts = candidate_counts(candidates, columns) if is_kept else none %}
    {% set row_count = 0 %}
    {% if not is_kept or counts.all %}
        {% set are_few = of_many and counts.all <= var('most_rows_handed_out') %}
        {% if are_few and are_stored(counts) %}
            {% set row_count = merge_stored(candidates, target, columns, counts) %}
        {% endif %}
        {% if not is_kept or row_count < counts.all %}
            {% set repeats = not is_kept or counts.repeating %}
            {% set tests = row_tests() if not row_count else {} %}
            {% if are_few and counts.all > var('most_literal_rows') and not merges_by_position() %}
                {% do note_if_new(candidates, target) %}
            {% endif %}
            {% set row_count = row_count + merge_candidates(candidates, target, columns, are_few, repeats, tests) %}
        {% endif %}
    {% endif %}
    {% do run_query('drop view if exists ' ~ candidates) %}
    {% do run_state().written.update({relation_name(this): row_count}) %}
    {% if not row_count %}
        {% do run_state().unchanged.append(model.unique_id) %}
    {% endif %}
    {% call noop_statement('main', 'MERGE ' ~ row_count, 'MERGE', row_count) %}
        {{ sql }}
    {% endcall %}
{% endmacro %}

{#- How many candidates there are, may repeat what is stored (`may_repeat`), and tell of a delete: one look at them. -#}
{% macro candidate_counts(candidates, columns) %}
    {% set repeating = may_repeat(columns) if merges_by_position() and in_copies_too() else 'false' %}
    {% set deleting = '_deleted_position is not null' if '_deleted_position' in columns else 'false' %}
    {% set row = run_query(
        'select count(*), count_if(' ~ repeating ~ '), count_if(' ~ deleting ~ ') from ' ~ candidates
    ).rows[0] %}
    {% do return({'all': row[0] | int, 'repeating': row[1] | int, 'deleting': row[2] | int}) %}
{% endmacro %}

{#- Whether a log told of changes and deletes alone, none of which may repeat what is stored: all keys should be there. -#}
{% macro are_stored(counts) %}
    {% set told = run_state().log_alone.get(model.unique_id) %}
    {% do return(told and not told.makes_rows and not counts.repeating) %}
{% endmacro %}

{#-
Merges candidates that should all be stored, without looking for them first, and returns how many rows that changed: if not
all, the others are looked for. The merge guards their order itself.
-#}
{% macro merge_stored(candidates, target, columns, counts) %}
    {% call statement('merge') %}
        {{ merge_statement(
            target, '(select *, false as _is_new, false as _is_gone from ' ~ candidates ~ ')', columns,
            into_stored=true, are_whole=not counts.deleting
        ) }}
    {% endcall %}
    {% do return(rows_added(target)) %}
{% endmacro %}

{#-
Merges what differs and returns how many rows that was. `are_few` hands the candidates to each task of a scan; `tests` are
tried on the rows (`row_tests`).
-#}
{% macro merge_candidates(candidates, target, columns, are_few, repeats, tests) %}
    {% set changes = this.identifier ~ '__changes' %}
    {% do run_query('drop view if exists ' ~ changes) %}
    {% call statement('changes') %}
        cache lazy table {{ changes }} as
        {{ changes_sql(candidates, target, columns, are_few, repeats) }}
    {% endcall %}
    {% set counts = change_counts(changes, are_few, tests) %}
    {% if are_few %}
        {% do write_few(changes, target, columns, counts) %}
    {% else %}
        {% do write_many(changes, target, columns, counts) %}
    {% endif %}
    {% do hold_tests(counts, tests) %}
    {% do run_query('drop view if exists ' ~ changes) %}
    {% do return(counts.all) %}
{% endmacro %}

{#- Changes known to be new or not (`_is_new`): a merge that inserts nothing needs no look at rows it does not touch. -#}
{% macro write_few(changes, target, columns, counts) %}
    {% if counts.all > counts.new %}
        {% call statement('merge') %}
            {{ merge_statement(target, changes, columns, into_stored=true, are_whole=not counts.parts) }}
        {% endcall %}
    {% endif %}
    {% if counts.new %}
        {% do append_new(changes, target, columns) %}
    {% endif %}
{% endmacro %}

{#- As many changes as may be: one merge, or, as often where rows only arrive, an append of what is new alone. -#}
{% macro write_many(changes, target, columns, counts) %}
    {% if counts.all > counts.new %}
        {% call statement('merge') %}
            {{ merge_statement(target, changes, columns) }}
        {% endcall %}
    {% elif counts.new %}
        {% do append_new(changes, target, columns) %}
    {% endif %}
{% endmacro %}

{% macro append_new(changes, target, columns) %}
    {% call statement('append') %}
        insert into {{ target }} ({{ columns | join(', ') }})
        select {{ columns | join(', ') }} from {{ changes }} where _is_new
    {% endcall %}
{% endmacro %}

{#-
A column the model has gained is added to the stored table; old rows hold null until they change or a full build.
Returns the names of the model's columns, in order.
-#}
{% macro adopt_new_columns(candidates, existing) %}
    {% set wanted = adapter.get_columns_in_relation(api.Relation.create(identifier=candidates)) %}
    {% set stored = {} %}
    {% for column in adapter.get_columns_in_relation(existing) %}
        {% do stored.update({column.name: column.dtype}) %}
    {% endfor %}
    {% set added = wanted | rejectattr('name', 'in', stored) | list %}
    {% for column in wanted if stored.get(column.name, column.dtype) != column.dtype %}
        {% do run_state().converted.append(model.unique_id) %}
    {% endfor %}
    {% if added and config.get('on_schema_change') != 'append_new_columns' %}
        {{ exceptions.raise_compiler_error('new columns in ' ~ this ~ ': ' ~ added | map(attribute='name') | join(', ')
            ~ '; build it once with --full-refresh') }}
    {% elif added %}
        {% do alter_relation_add_remove_columns(existing, added, none) %}
        {% do run_state().looked_up.pop(model.unique_id, none) %}
    {% endif %}
    {% do return(wanted | map(attribute='name') | list) %}
{% endmacro %}

{#- Descriptions are written when a table is made; writing them at each run would commit without any change. -#}
{% macro persist_docs_if_new(target, existing) %}
    {% if existing is none or should_full_refresh() %}
        {% do persist_docs(target, model) %}
    {% endif %}
{% endmacro %}
