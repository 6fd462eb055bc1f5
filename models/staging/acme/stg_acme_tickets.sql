{{ config(unique_key='ticket_id', meta={'merge_by': 'position'}) }}

with

changes as (

    {{ latest_changes(source('raw', 'acme_tickets'), 'id', deleted_at='_source_at') }}

)

select
    id as ticket_id,
    subject,
    status,
    requester_email,
    requester_name,
    priority,
    coalesce(_deleted_position, '') >= _change_position as is_deleted,
    created_at,
    _deleted_at as deleted_at,
    _event_id as _raw_id,
    _change_position as _position,
    _deleted_position,
    _received_at,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
