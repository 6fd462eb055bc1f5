{#-
hubspot_facts(table): what each unread HubSpot change event says, one row per record and property:

    <name>        propertyChange: the new value
    _created, _deleted, _restored
                  creation, deletion, restore: when
    _merged_into  merge: the id a record goes on as, said of every record that ends in it
    _erased       privacyDeletion: from now on only facts with a leading _ may be kept of the record

A merge that makes a new record ends the primary one as well.
-#}
{% macro hubspot_facts(table) -%}
    {%- set relation = source('raw', table) -%}
    {%- set kept_id = 'coalesce(events.new_object_id, events.primary_object_id, events.object_id)' -%}
    {%- set stamps = 'events.occurred_at, events._position, events._event_id as _raw_id, events._loaded_at' -%}
    with events as (

        select
            events.*,
            split_part(events.subscription_type, '.', 2) as kind
        from (select * from {{ relation }} {{ since_watermark(relation) }}) as events
        where {{ is_valid(table) }}

    )

    select
        events.portal_id,
        events.object_id,
        case events.kind
            when 'propertyChange' then events.property_name
            when 'creation' then '_created'
            when 'deletion' then '_deleted'
            when 'restore' then '_restored'
            when 'privacyDeletion' then '_erased'
        end as property_name,
        case when events.kind = 'propertyChange' then events.property_value end as property_value,
        {{ stamps }}
    from events
    where events.kind <> 'merge'
    union all
    select
        events.portal_id,
        merged_id as object_id,
        '_merged_into' as property_name,
        {{ kept_id }} as property_value,
        {{ stamps }}
    from events
    {{ json_rows('events.merged_object_ids', 'merged_id') }}
    where events.kind = 'merge' and merged_id <> {{ kept_id }}
    union all
    select
        events.portal_id,
        events.primary_object_id as object_id,
        '_merged_into' as property_name,
        {{ kept_id }} as property_value,
        {{ stamps }}
    from events
    where events.kind = 'merge' and events.primary_object_id <> {{ kept_id }}
{%- endmacro %}

{#- hubspot_rules(): see `reject_rules`. -#}
{% macro hubspot_rules() %}
    {% set kind = "split_part(events.subscription_type, '.', 2)" %}
    {% do return({
        'no_portal': 'events.portal_id is null',
        'unknown_kind': kind ~ " not in ('propertyChange', 'creation', 'deletion', 'restore', 'privacyDeletion', 'merge')",
        'property_without_name': kind ~ " = 'propertyChange' and coalesce(events.property_name, '') = ''",
        'merge_without_ids': kind ~ " = 'merge' and coalesce(cardinality("
            ~ json_elements('events.merged_object_ids') ~ '), 0) = 0',
    }) %}
{% endmacro %}

{#- Of a group of properties: the value of one, null where it is empty or absent. -#}
{% macro property_value_of(name) -%}
    max(case when property_name = '{{ name }}' then nullif(property_value, '') end)
{%- endmacro %}

{#- Of a group of properties: when one was last set. -#}
{% macro property_time_of(name) -%}
    max(case when property_name = '{{ name }}' then occurred_at end)
{%- endmacro %}

{#- Of a group of properties: the record was deleted after it was last restored. Never null. -#}
{% macro is_removed() -%}
    coalesce(max(case when property_name = '_deleted' then _position end), '')
    > coalesce(max(case when property_name = '_restored' then _position end), '')
{%- endmacro %}
