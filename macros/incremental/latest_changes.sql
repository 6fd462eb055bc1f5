{#-
latest_changes(relation, keys): of what this model has not read yet, one row per key: its latest change, or, where only
deletes came, a row of nulls. Any order, repetition or lateness of the events ends in the same stored row.

Adds to the raw columns:
    _change_position   the change's place in the source's order, '' where only deletes came
    _deleted_position  the place of the latest delete, its time behind an @; null without one
    _deleted_at        that time
-#}
{% macro latest_changes(relation, keys) -%}
    {%- set deleted -%}
        case when _op = 'd' then concat(_position, '@', {{ utc_text_of('coalesce(_source_at, _received_at)') }}) end
    {%- endset %}
    select
        *,
        case when _op = 'd' then '' else _position end as _change_position,
        {{ timestamp_of("split_part(_deleted_position, '@', 2)") }} as _deleted_at
    from (
        select
            *,
            row_number() over (
                partition by {{ keys }}
                order by case when _op = 'd' then 1 else 0 end, _position desc, _event_id desc
            ) as _rank,
            max({{ deleted }}) over (partition by {{ keys }}) as _deleted_position
        from {{ relation }} {{ since_watermark(relation) }}
    ) as ranked
    where _rank = 1
{%- endmacro %}
