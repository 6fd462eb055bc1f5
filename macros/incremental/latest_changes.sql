{#-
latest_changes(relation, keys): of what this model has not read yet, one row per key: its latest change, or, where only
deletes came, a row of nulls. Any order, repetition or lateness of the events ends in the same stored row: of two
changes at one place the one received first counts, so a body sent again, by whomever, changes nothing.

    valid              condition over the raw columns (as `events`); changes that break it are passed over
    deletes_are_states a delete carries the record's last values: it is a change itself, and the last one, whatever
                       comes later; its places have a `~` before them, which sorts behind all others
    deleted_at         where a delete says when it happened; by default when it first reached us

Adds to the raw columns:
    _change_position   the change's place in the source's order, '' where only deletes came
    _deleted_position  the place of the latest delete, null without one
    _deleted_at        its time
-#}
{% macro latest_changes(
    relation, keys, valid=none, deletes_are_states=false, deleted_at='_received_at'
) -%}
    {%- set last = "concat('~', _position)" if deletes_are_states else none -%}
    {%- set delete_position = "case when _op = 'd' then " ~ (last or '_position') ~ ' end' -%}
    {%- set delete_time = "case when _op = 'd' then " ~ deleted_at ~ " end" -%}
    select *
    from (
        select
            *,
            row_number() over (
                partition by {{ keys }} order by _change_position desc, _received_at, _event_id
            ) as _rank,
            max({{ delete_position }}) over (partition by {{ keys }}) as _deleted_position,
            first_value({{ delete_time }}) over (
                partition by {{ keys }} order by {{ delete_position }} desc nulls last, {{ delete_time }}
            ) as _deleted_at
        from (
            select
                *,
                case when _op = 'd' then {{ last or "''" }} else _position end as _change_position
            from {{ relation }} {{ since_watermark(relation) }}
        ) as events
        {%- if valid %}
        where _op = 'd' or ({{ valid }})
        {%- endif %}
    ) as ranked
    where _rank = 1
{%- endmacro %}
