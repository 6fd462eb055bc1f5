{#-
known_copies(relation, runs, state): the complete copies of a raw table that metadata.bulk_runs lists, in the order of
their places: run_id, place, age and left_at (see `place_in_source`), consistency, started_at, completed_at as text in UTC, and
is_read: whether this model knew of it at its last successful run. Rows of other runs are not to be seen.
-#}
{% macro known_copies(relation, runs, state) %}
    {% if state.pin is none %}
        {% do return([]) %}
    {% endif %}
    {% set condition = " where table_name = '" ~ relation_name(relation) ~ "'" %}
    {% set read = [] %}
    {% set is_unchanged = state.last_pin == state.pin %}
    {% if state.last_pin is not none and not is_unchanged %}
        {% for row in run_query(
            "select concat('@', _run_id) from " ~ runs ~ ' ' ~ version_as_of(state.last_pin) ~ condition
        ).rows %}
            {% do read.append(marked_value(row[0])) %}
        {% endfor %}
    {% endif %}
    {% set found = [] %}
    {% for row in run_query(
        "select concat('@', _run_id), concat('@', coalesce(position, '')), concat('@', consistency), concat('@', "
        ~ utc_text_of('started_at') ~ "), concat('@', " ~ utc_text_of('completed_at') ~ ') from ' ~ runs ~ ' '
        ~ version_as_of(state.pin) ~ condition
    ).rows %}
        {% set run_id = marked_value(row[0]) %}
        {% do found.append({
            'run_id': run_id, 'position': marked_value(row[1]), 'consistency': marked_value(row[2]),
            'started_at': marked_value(row[3]), 'completed_at': marked_value(row[4]),
            'is_read': is_unchanged or run_id in read,
        }) %}
    {% endfor %}
    {% do return(placed_copies(found | sort(attribute='completed_at,run_id'))) %}
{% endmacro %}

{#-
A copy that begins below the one completed before it: the log itself has begun anew, in a new age, behind which stands
where that other copy began (`left_at`). A truncation says nothing of that: a copy that had begun before it may be complete
after it.
-#}
{% macro placed_copies(copies) %}
    {% set before = namespace(position='', age='', left_at='') %}
    {% for copy in copies %}
        {% if not copy.run_id.startswith('truncated-') %}
            {% if copy.position < before.position %}
                {% set before.age = before.age ~ '~' %}
                {% set before.left_at = before.position %}
            {% endif %}
            {% set before.position = copy.position %}
        {% endif %}
        {% set first = copy.position if '.' in copy.position else copy.position ~ '.0000000000' %}
        {% do copy.update({
            'age': before.age, 'left_at': before.left_at, 'place': before.age ~ first ~ '@' ~ copy.completed_at,
        }) %}
    {% endfor %}
    {% do return(copies | sort(attribute='place')) %}
{% endmacro %}

{#-
place_in_source(copies): where a raw row stands in the order of its source, as text that sorts.

It is `_position`; behind it, after an @, the completion of the row's copy, since a source without a log stays at one
position; before it a `~` for each time the log began anew (the server was restored or replaced), which ranks what came
after above all before. The place of a copy itself is that of its first view: it ranks below every change behind it.
A row of the log is of the last age that had begun when it came, unless its source had committed it before that, at a
place that only the log before had reached: then it came late.
-#}
{% macro place_in_source(copies) -%}
    {%- if not copies -%}
        _position
    {%- else -%}
        concat(
            {%- if copies | selectattr('age') | list %}
            case
                {%- for copy in copies %}
                when _run_id = '{{ copy.run_id }}' then '{{ copy.age }}'
                {%- endfor %}
                {%- for age, of_age in (copies | selectattr('age') | groupby('age')) | reverse %}
                {%- set began = "timestamp '" ~ (of_age | map(attribute='started_at') | min) ~ " UTC'" %}
                when
                    _loaded_at >= {{ began }}
                    and not coalesce(_source_at < {{ began }} and _position >= '{{ of_age[0].left_at }}', false)
                    then '{{ age }}'
                {%- endfor %}
                else ''
            end,
            {%- endif %}
            _position,
            case _run_id
                {%- for copy in copies %}
                when '{{ copy.run_id }}' then '@{{ copy.completed_at }}'
                {%- endfor %}
                else ''
            end
        )
    {%- endif -%}
{%- endmacro %}

{% macro in_copies(copies) %}
    {% if not copies %}
        {% do return('false') %}
    {% endif %}
    {% do return("_run_id in ('" ~ copies | map(attribute='run_id') | join("', '") ~ "')") %}
{% endmacro %}

{#- missing_since(copies): when the first copy behind a key's latest change began, which therefore has not got the key. -#}
{% macro missing_since(copies) -%}
    case
        {%- for copy in copies %}
        when _change_position < '{{ copy.place }}' then timestamp '{{ copy.started_at }} UTC'
        {%- endfor %}
        when false then timestamp '1970-01-01 00:00:00 UTC'
    end
{%- endmacro %}

{#- content_hash(columns): the MD5 of some values, each with its length before it. -#}
{% macro content_hash(columns) -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}
        {%- set text = 'cast(' ~ adapter.quote(column) ~ ' as ' ~ dbt.type_string() ~ ')' -%}
        {%- do parts.append(
            "coalesce(concat(cast(length(" ~ text ~ ") as " ~ dbt.type_string() ~ "), ':', " ~ text ~ "), '-')"
        ) -%}
    {%- endfor -%}
    {{ md5_hex("concat('', " ~ (parts | join(', ') or "''") ~ ')') }}
{%- endmacro %}
