{#- changes_sql(candidates, target, columns): the rows to write, as the model's columns, with `_is_gone` for rows to delete. -#}
{% macro changes_sql(candidates, target, columns) -%}
    {%- if config.get('meta', {}).get('merge_by', 'difference') == 'position' -%}
        {{ later_rows(candidates, target, columns) }}
    {%- else -%}
        {{ different_rows(candidates, target, columns) }}
    {%- endif -%}
{%- endmacro %}

{#-
is_later(new, old, columns): the order guard. Which change is later, at one place which was received earlier (a body
sent again must not replace the first), and, where deletes exist, the same of the deletes.
-#}
{% macro is_later(new, old, columns) -%}
    ({{ is_later_change(new, old, columns) }}
    {%- if '_deleted_position' in columns %}
        or {{ is_later_delete(new, old) }}
    {%- endif -%})
{%- endmacro %}

{% macro is_later_change(new, old, columns) -%}
    ({{ new }}._position > {{ old }}._position
    {%- if '_received_at' in columns %}
        or {{ new }}._position = {{ old }}._position and {{ new }}._received_at < {{ old }}._received_at
    {%- endif -%})
{%- endmacro %}

{% macro is_later_delete(new, old) -%}
    (coalesce({{ new }}._deleted_position, '') > coalesce({{ old }}._deleted_position, '')
        or {{ new }}._deleted_position = {{ old }}._deleted_position and {{ new }}.deleted_at < {{ old }}.deleted_at)
{%- endmacro %}

{% macro later_rows(candidates, target, columns) -%}
    select candidates.*, false as _is_gone
    from {{ candidates }} as candidates
    left join {{ target }} as stored on {{ keys_equal('candidates', 'stored') }}
    where stored.{{ key_columns()[0] }} is null or {{ is_later('candidates', 'stored', columns) }}
{%- endmacro %}

{% macro different_rows(candidates, target, columns) -%}
    {%- set meta = config.get('meta', {}) -%}
    {%- set stamps = ['_built_at', '_staged_at'] + meta.get('stamps', []) -%}
    {%- set compared = [] -%}
    {%- for name in columns if name not in key_columns() + stamps -%}
        {%- do compared.append('candidates.' ~ name ~ ' is distinct from stored.' ~ name) -%}
    {%- endfor -%}
    select candidates.*, {{ is_gone('candidates') }} as _is_gone
    from {{ candidates }} as candidates
    left join {{ target }} as stored on {{ keys_equal('candidates', 'stored') }}
    where
        {{ keys_present('candidates') }}
        and (stored.{{ key_columns()[0] }} is null or {{ compared | join(' or ') }})
        {%- if meta.get('gone_without') %}
        and (stored.{{ key_columns()[0] }} is not null or not {{ is_gone('candidates') }})
        {%- endif -%}
    {%- if meta.get('recompute') %}
    union all
    select {{ 'stored.' ~ (columns | join(', stored.')) }}, true as _is_gone
    from {{ target }} as stored
    left semi join {{ candidates }} as recomputed on
        {% for name in meta.recompute %}{{ 'and ' if not loop.first }}stored.{{ name }} = recomputed.{{ name }} {% endfor %}
    left anti join {{ candidates }} as candidates on {{ keys_equal('candidates', 'stored') }}
    {%- endif -%}
{%- endmacro %}

{#- `meta.gone_without` names a column that no living row lacks: where it is null, the row says that its key is gone. -#}
{% macro is_gone(side) -%}
    {%- set column = config.get('meta', {}).get('gone_without') -%}
    {{ '(' ~ side ~ '.' ~ column ~ ' is null)' if column else 'false' }}
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
