{#-
filled(columns): columns the source never leaves empty are so in no row with values, that is with a change (a row of
which only the delete is known has none). `overflowing` names those whose value may be in _raw_overflow instead, and
what it is called there.
-#}
{% test filled(model, columns, overflowing={}) %}
    select *
    from {{ model }}
    where
        _position <> ''
        and (
            {%- for column in columns %}
            {{ 'or ' if not loop.first }}{{ column }} is null
            {%- if column in overflowing %}
            and element_at(_raw_overflow, '{{ overflowing[column] }}') is null
            {%- endif %}
            {%- endfor %}
        )
{% endtest %}
