{#-
with_inherited_erasures(relation, told): `hubspot_facts` of the raw table, and of each record that ended in an erased one, through however many merges,
that it is erased as well: HubSpot says so of the record it went on as only. Facts are only ever added, so that any order of
events ends alike: each record that one has ended in is remembered as a fact `_merged_into:<id>`. Where nothing is told of
merges and erasures, nobody pays for looking.
-#}
{% macro with_inherited_erasures(relation, told) -%}
    select * from ({{ told }}) as told
    {%- if not is_unchanged(relation) and any_rows('select 1 from (' ~ told ~ ') as told where ' ~ is_end()) %}
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
    from {{ this }}
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
reached_records(merges): every record that each ended in, directly or through others. The way looked through doubles with each
step, until nothing new is reached; in unit tests four merges in a row are.
-#}
{% macro reached_records(merges) -%}
    {%- set state = namespace(step=cached_step('reached_1', merges), count=-1, is_done=false) -%}
    {%- for doubling in range(1, 3 if not is_building() else 20) if not state.is_done -%}
        {%- set sql -%}
            select * from {{ state.step }} as near
            union distinct
            select
                near.portal_id,
                near.ended_id,
                further.kept_id
            from {{ state.step }} as near
            inner join {{ state.step }} as further
                on near.portal_id = further.portal_id and near.kept_id = further.ended_id
        {%- endset -%}
        {%- set step = cached_step('reached_' ~ 2 ** doubling, sql) -%}
        {%- set count = rows_where(step, 'true') if execute and is_building() else doubling -%}
        {%- set state.is_done = count == state.count -%}
        {%- set state.step = step -%}
        {%- set state.count = count -%}
    {%- endfor -%}
    {{ state.step }}
{%- endmacro %}
