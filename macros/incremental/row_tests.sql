{#-
row_tests(): of this model's tests those that look at each row by itself and are known to pass for every row that was stored
when the run began (FRAZIL_PROVEN, see macros/adapter/test.sql): {id of a test: what holds of a row that breaks it}. Tried
on the rows that are written, on the way, each tells as much as the test would of the whole table. None where a value is
converted as it is stored.
-#}
{% macro row_tests() %}
    {% set found = {} %}
    {% if model.unique_id not in run_state().converted %}
        {% for id in env_var('FRAZIL_PROVEN', '').split(',') if id in graph.nodes %}
            {% set test = graph.nodes[id] %}
            {% if test.depends_on.nodes == [model.unique_id] and counts_broken_rows(test.config) %}
                {% set broken = broken_row(test.test_metadata or {}) %}
                {% if broken is not none and '{' not in broken %}
                    {% do found.update({id: broken}) %}
                {% endif %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {% do return(found) %}
{% endmacro %}

{#- Whether a test fails by any row that its query finds, over the whole table. -#}
{% macro counts_broken_rows(config) %}
    {% do return(
        config.fail_calc == 'count(*)' and config.error_if == '!= 0' and config.warn_if == '!= 0'
        and not config.where and not config.limit
    ) %}
{% endmacro %}

{#- What holds of a row that breaks a test, in SQL; none for tests of more than a row. -#}
{% macro broken_row(test) %}
    {% set given = test.kwargs %}
    {% if test.name == 'holds' %}
        {% do return(is_broken(given.condition)) %}
    {% elif test.name == 'at_least' %}
        {% do return(is_below(given.column_name, given.value)) %}
    {% elif test.name == 'not_null' %}
        {% do return(given.column_name ~ ' is null') %}
    {% elif test.name == 'accepted_values' and given.get('quote', true) %}
        {% do return(given.column_name ~ " not in ('" ~ given['values'] | join("', '") ~ "')") %}
    {% endif %}
    {% do return(none) %}
{% endmacro %}

{#-
change_counts(changes, are_few, tests): one look at the rows to write: how many there are (all), are new, and are to be stored
in part only (parts), and the ids of the `row_tests` that one of them breaks (broken).
-#}
{% macro change_counts(changes, are_few, tests) %}
    {% set parts = 'not _is_new and not _is_whole' if are_few and merges_by_position() else 'false' %}
    {% set counted = ['count(*)', 'count_if(_is_new)', 'count_if(' ~ parts ~ ')'] %}
    {% for broken in tests.values() %}
        {% do counted.append('count_if(not _is_gone and (' ~ broken ~ '))') %}
    {% endfor %}
    {% set row = run_query('select ' ~ counted | join(', ') ~ ' from ' ~ changes).rows[0] %}
    {% set found = {'all': row[0] | int, 'new': row[1] | int, 'parts': row[2] | int, 'broken': []} %}
    {% for id in tests %}
        {% if row[3 + loop.index0] | int %}
            {% do found.broken.append(id) %}
        {% endif %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}

{#- Where positions decide, a row may be made of the change and of what was stored: then the change alone proves nothing. -#}
{% macro hold_tests(counts, tests) %}
    {% if not merges_by_position() or counts.all == counts.new %}
        {% for id in tests if id not in counts.broken %}
            {% do run_state().held.append(id) %}
        {% endfor %}
    {% endif %}
{% endmacro %}
