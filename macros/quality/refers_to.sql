{#- refers_to(columns, to, to_columns): what living rows refer to is there; a row with a null among `columns` refers to nothing. -#}
{% test refers_to(model, columns, to, to_columns) %}
    select child.*
    from {{ model }} as child
    left join {{ to }} as parent on
        {%- for column in columns %}
        {{ 'and ' if not loop.first }}child.{{ column }} = parent.{{ to_columns[loop.index0] }}
        {%- endfor %}
    where
        not child.is_deleted
        {%- for column in columns %}
        and child.{{ column }} is not null
        {%- endfor %}
        and parent.{{ to_columns[0] }} is null
{% endtest %}
