{#- changes_sql(candidates, target, columns): the rows to write, as the model's columns, with `_is_gone` for rows to delete. -#}
{% macro changes_sql(candidates, target, columns) -%}
    {%- if config.get('meta', {}).get('merge_by', 'difference') == 'position' -%}
        {{ later_rows(candidates, target, columns) }}
    {%- else -%}
        {{ different_rows(candidates, target, columns) }}
    {%- endif -%}
{%- endmacro %}

{#- The last columns of the order guard: which event is later, and (where deletes exist) which delete is. -#}
{% macro is_later(new, old, columns) -%}
    ({{ new }}._position > {{ old }}._position
    {%- if '_deleted_position' in columns %}
        or coalesce({{ new }}._deleted_position, '') > coalesce({{ old }}._deleted_position, '')
    {%- endif -%})
{%- endmacro %}

{% macro later_rows(candidates, target, columns) -%}
    select candidates.*, false as _is_gone
    from {{ candidates }} as candidates
    left join {{ target }} as stored on {{ keys_equal('candidates', 'stored') }}
    where stored.{{ key_columns()[0] }} is null or {{ is_later('candidates', 'stored', columns) }}
{%- endmacro %}

{% macro different_rows(candidates, target, columns) -%}
    {%- set groups = config.get('meta', {}).get('recompute') -%}
    {%- set compared = [] -%}
    {%- for name in columns if name not in key_columns() and name not in ['_built_at', '_staged_at'] -%}
        {%- do compared.append('candidates.' ~ name ~ ' is distinct from stored.' ~ name) -%}
    {%- endfor -%}
    select candidates.*, false as _is_gone
    from {{ candidates }} as candidates
    left join {{ target }} as stored on {{ keys_equal('candidates', 'stored') }}
    where
        {{ keys_present('candidates') }}
        and (stored.{{ key_columns()[0] }} is null or {{ compared | join(' or ') }})
    {%- if groups %}
    union all
    select {{ 'stored.' ~ (columns | join(', stored.')) }}, true as _is_gone
    from {{ target }} as stored
    left semi join {{ candidates }} as recomputed on
        {% for name in groups %}{{ 'and ' if not loop.first }}stored.{{ name }} = recomputed.{{ name }} {% endfor %}
    left anti join {{ candidates }} as candidates on {{ keys_equal('candidates', 'stored') }}
    {%- endif -%}
{%- endmacro %}

{% macro key_columns() %}
    {% set keys = config.require('unique_key') %}
    {% do return([keys] if keys is string else keys) %}
{% endmacro %}

{% macro keys_equal(left, right) -%}
    {% for key in key_columns() %}{{ 'and ' if not loop.first }}{{ left }}.{{ key }} = {{ right }}.{{ key }} {% endfor %}
{%- endmacro %}

{% macro keys_present(side) -%}
    {% for key in key_columns() %}{{ 'and ' if not loop.first }}{{ side }}.{{ key }} is not null {% endfor %}
{%- endmacro %}
