{#- period_start(period_type, day): the first day of the day, week (from Monday) or month that a date is in. -#}
{% macro period_start(period_type, day) -%}
    case {{ period_type }}
        when 'week' then cast(date_trunc('week', {{ day }}) as date)
        when 'month' then cast(date_trunc('month', {{ day }}) as date)
        else {{ day }}
    end
{%- endmacro %}
