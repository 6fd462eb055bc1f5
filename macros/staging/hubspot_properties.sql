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
    {%- set kind = "split_part(subscription_type, '.', 2)" -%}
    select
        portal_id,
        coalesce(ended_id, object_id) as object_id,
        case kind
            when 'propertyChange' then property_name
            when 'creation' then '_created'
            when 'deletion' then '_deleted'
            when 'restore' then '_restored'
            when 'privacyDeletion' then '_erased'
            when 'merge' then '_merged_into'
        end as property_name,
        case kind when 'propertyChange' then property_value when 'merge' then kept_id end as property_value,
        occurred_at,
        _position,
        _event_id as _raw_id,
        _loaded_at
    from (
        select
            *,
            {{ kind }} as kind,
            coalesce(new_object_id, primary_object_id, object_id) as kept_id,
            case
                when {{ kind }} = 'merge'
                    then concat({{ json_elements('merged_object_ids') }}, {{ array_of(['primary_object_id']) }})
            end as ended_ids
        from (
            select * from {{ relation }} {{ since_watermark(relation) }}
        ) as events
        where {{ is_valid(table) }}
    ) as events
    {{ element_rows('ended_ids', 'ended_id') }}
    where kind <> 'merge' or ended_id <> kept_id
{%- endmacro %}

{#- hubspot_rules(): see `reject_rules`. -#}
{% macro hubspot_rules() %}
    {% set kind = "coalesce(split_part(events.subscription_type, '.', 2), '')" %}
    {% do return({
        'no_portal': 'events.portal_id is null',
        'unknown_kind': kind ~ " not in ('propertyChange', 'creation', 'deletion', 'restore', 'privacyDeletion', 'merge')",
        'property_without_name': kind ~ " = 'propertyChange' and coalesce(events.property_name, '') = ''",
        'merge_without_ids': kind ~ " = 'merge' and coalesce(cardinality("
            ~ json_elements('events.merged_object_ids') ~ '), 0) = 0',
    }) %}
{% endmacro %}

{#-
touched_properties(relation, key): of each record of which a property has changed, all properties as they are now; of one
that nothing is known of any more, a row without a property.
-#}
{% macro touched_properties(relation, key) -%}
    select
        known.portal_id,
        known.{{ key }},
        known.property_name,
        known.property_value,
        known.occurred_at,
        known._position,
        known._loaded_at
    from {{ relation }} {{ pinned(relation) }} as known
    inner join (
        select distinct portal_id, {{ key }}
        from {{ relation }} {{ since_watermark(relation, '_staged_at') }}
    ) as touched
        on known.portal_id = touched.portal_id and known.{{ key }} = touched.{{ key }}
    union all
    select
        portal_id,
        {{ key }},
        null as property_name,
        null as property_value,
        null as occurred_at,
        null as _position,
        null as _loaded_at
    from (
        {{ keys_no_more(relation, 'portal_id, ' ~ key) }}
    ) as gone
{%- endmacro %}

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
