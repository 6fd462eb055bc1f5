{#-
with_inherited_erasures(table, told): `told`, the `hubspot_facts` of the raw table, and of each record that ended in an
erased one, through however many merges, that it is erased as well: HubSpot says so of the record it went on as only. Facts are only ever added, so that any order of
events ends alike: each record that one has ended in is remembered as a fact `_merged_into:<id>`. Where nothing is told of
merges and erasures, nobody pays for looking.
-#}
{% macro with_inherited_erasures(table, told) -%}
    select * from ({{ told }}) as told
    {%- if not is_unchanged(source('raw', table)) and any_rows('select 1 from (' ~ told ~ ') as told where ' ~ is_end()) %}
    union all
    {{ remembered_merges(told) }}
    union all
    select
        reached.portal_id,
        reached.ended_id as object_id,
        '_erased' as property_name,
        cast(null as {{ dbt.type_string() }}) as property_value,
        erasures.occurred_at,
        erasures._position,
        erasures._raw_id,
        erasures._loaded_at
    from {{ reached_records(merges_known(told)) }} as reached
    inner join (
        {{ facts_known(told, "property_name = '_erased'") }}
    ) as erasures on reached.portal_id = erasures.portal_id and reached.kept_id = erasures.object_id
    {%- endif %}
{%- endmacro %}

{% macro is_end() -%}
    property_name in ('_merged_into', '_erased')
{%- endmacro %}

{% macro remembered_merges(told) -%}
    select
        portal_id,
        object_id,
        concat('_merged_into:', property_value) as property_name,
        property_value,
        occurred_at,
        _position,
        _raw_id,
        _loaded_at
    from ({{ told }}) as told
    where property_name = '_merged_into'
{%- endmacro %}

{#- What is told now, and what is stored. -#}
{% macro facts_known(told, condition) -%}
    select
        portal_id,
        object_id,
        property_value,
        occurred_at,
        _position,
        _raw_id,
        _loaded_at
    from ({{ told }}) as told
    where {{ condition }}
    {%- if is_incremental() %}
    union all
    select
        portal_id,
        contact_id as object_id,
        property_value,
        occurred_at,
        _position,
        _raw_id,
        _loaded_at
    from {{ this }} {{ as_it_stands() }}
    where {{ condition }}
    {%- endif %}
{%- endmacro %}

{% macro merges_known(told) -%}
    select distinct
        portal_id,
        object_id as ended_id,
        property_value as kept_id
    from (
        {{ facts_known(told, "property_name = '_merged_into' or substr(property_name, 1, 13) = '_merged_into:'") }}
    ) as merges
{%- endmacro %}

{#-
reached_records(merges): every record that each ended in, directly or through others. Few merges are followed while the SQL is
made; with many the way looked through doubles with each step, until nothing new is reached (in unit tests: four in a row).
-#}
{% macro reached_records(merges) -%}
    {%- set text = dbt.type_string() -%}
    {%- set types = {'portal_id': text, 'ended_id': text, 'kept_id': text} -%}
    {%- set rows = few_rows(merges, types) -%}
    {%- if rows is not none -%}
        {{ literal_rows(followed_merges(rows), types) }}
    {%- else -%}
        {%- set state = namespace(step=kept_table('reached_1', merges), count=-1, is_done=false) -%}
        {%- for doubling in range(1, 20 if is_building() else 3) if not state.is_done -%}
            {%- set step = kept_table('reached_' ~ 2 ** doubling, twice_as_far(state.step)) -%}
            {%- set count = rows_where(step, 'true') if execute and is_building() else doubling -%}
            {%- set state.is_done = count == state.count -%}
            {%- set state.step = step -%}
            {%- set state.count = count -%}
        {%- endfor -%}
        {{ state.step }}
    {%- endif -%}
{%- endmacro %}

{% macro twice_as_far(reached) -%}
    select * from {{ reached }} as near
    union distinct
    select
        near.portal_id,
        near.ended_id,
        further.kept_id
    from {{ reached }} as near
    inner join {{ reached }} as further on near.portal_id = further.portal_id and near.kept_id = further.ended_id
{%- endmacro %}

{% macro followed_merges(rows) %}
    {% set ends = {} %}
    {% for portal, ended, kept in rows %}
        {% do ends.setdefault((portal, ended), []).append(kept) %}
    {% endfor %}
    {% set found = [] %}
    {% for (portal, ended), first in ends.items() %}
        {% set reached = {} %}
        {% set waiting = first | list %}
        {% for _ in range(2 * rows | length) if waiting %}
            {% set kept = waiting.pop() %}
            {% if kept not in reached %}
                {% do reached.update({kept: true}) %}
                {% do waiting.extend(ends.get((portal, kept), [])) %}
            {% endif %}
        {% endfor %}
        {% for kept in reached %}
            {% do found.append([portal, ended, kept]) %}
        {% endfor %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}
