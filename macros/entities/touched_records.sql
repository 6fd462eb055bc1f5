{#-
touched_records(changed, records, stored): the records whose entity may change: the changed ones, and all of the groups that were
touched (`stored`, the rows of `touched_groups`). No link leads from any of these to another record, so resolving them alone
gives what resolving everything would. Without `stored` it is all `records`. Added are stored_entity_id and stored_created_at,
null for a record that is not in the index yet, and is_gone, of a record that is no longer living. `changed` has record_key and
is_gone, null where a decision names the record, which may be unknown: it is gone unless the index or another row knows it.
-#}
{% macro touched_records(changed, records, stored) -%}
    {%- if not is_incremental() -%}
    select
        record_key,
        cast(null as {{ dbt.type_string() }}) as stored_entity_id,
        nullif({{ run_timestamp() }}, {{ run_timestamp() }}) as stored_created_at,
        is_deleted as is_gone
    from ({{ records }}) as records
    {%- elif not stored -%}
    select
        records.record_key,
        stored.entity_id as stored_entity_id,
        stored.created_at as stored_created_at,
        records.is_deleted as is_gone
    from ({{ records }}) as records
    left join {{ this }} {{ as_it_stands() }} as stored on records.source = stored.source and records.source_id = stored.source_id
    {%- else -%}
    select
        record_key,
        max(entity_id) as stored_entity_id,
        max(created_at) as stored_created_at,
        coalesce(bool_or(is_gone), true) as is_gone
    from (
        select
            {{ record_key() }} as record_key,
            entity_id,
            created_at,
            false as is_gone
        from {{ stored }} as stored
        union all
        select
            record_key,
            null as entity_id,
            null as created_at,
            is_gone
        from {{ changed }} as changed
    ) as both_kinds
    group by record_key
    {%- endif -%}
{%- endmacro %}

{#-
edges_of_others(changed_keys): the changed edges of records that have not changed (`changed_keys`), as when their weights have.
Of a changed record all is looked at that links lead to, or led to: who is only compared with it keeps its entity.
-#}
{% macro edges_of_others(changed_keys) -%}
    select
        edges.key_low,
        edges.key_high
    from (
        select
            key_low,
            key_high
        from {{ ref('er_candidate_edges') }} {{ since_watermark(ref('er_candidate_edges'), '_built_at') }}
    ) as edges
    left join (
        {{ changed_keys }}
    ) as low on edges.key_low = low.record_key
    left join (
        {{ changed_keys }}
    ) as high on edges.key_high = high.record_key
    where low.record_key is null and high.record_key is null
{%- endmacro %}

{#-
touched_groups(changed, new_edges, decisions): the stored rows of all groups that changed records were in, and those that a new
link leads to: what was linked before is of one group. `new_edges` are the changed edges, with what they weigh (bits).
-#}
{% macro touched_groups(changed, new_edges, decisions) -%}
    {%- set is_part = is_small_part(changed) -%}
    select {{ small_side('resolved') if is_part }}
        stored.*
    from {{ this }} {{ as_it_stands() }} as stored
    inner join (
        select {{ small_side('affected') if is_part }} distinct resolution_group
        from {{ this }} {{ as_it_stands() }} as members
        inner join (
            select distinct record_key
            from (
                {{ changed_and_linked(changed, new_edges, decisions) }}
            ) as keys
        ) as affected on {{ record_key() }} = affected.record_key
    ) as resolved on stored.resolution_group = resolved.resolution_group
{%- endmacro %}

{% macro changed_and_linked(changed, new_edges, decisions) -%}
    select record_key
    from {{ changed }} as changed
    union all
    select record_key
    from (
        select
            edges.key_low,
            edges.key_high
        from ({{ new_edges }}) as edges
        inner join {{ ref('er_tiers') }} as tiers on tiers.tier = 0 and edges.bits >= tiers.least_bits
    ) as links
    {{ each_of(['key_low', 'key_high'], 'record_key') }}
    union all
    select decisions.key_high
    from {{ decisions }} as decisions
    inner join {{ changed }} as changed on decisions.key_low = changed.record_key
    union all
    select decisions.key_low
    from {{ decisions }} as decisions
    inner join {{ changed }} as changed on decisions.key_high = changed.record_key
{%- endmacro %}

{% macro record_key() -%}
    concat(source, ':', source_id)
{%- endmacro %}

{#-
values_of_records(records, changed_records, stored): what is told of records in the index: of `changed_records` (rows of
er_source_records) as they are now, of others as in the index, where the touched rows of that are kept (`stored`): `records`,
all there are, are then not looked through.
-#}
{% macro values_of_records(records, changed_records, stored) -%}
    {%- set told = [
        'source', 'source_id', 'email', 'email_normalized', 'phone', 'phone_normalized', 'first_name', 'last_name', 'full_name',
    ] -%}
    {%- set is_kept = stored and not stored.startswith('(') -%}
    select
        record_key,
        {{ told | join(', ') }},
        merged_into_key is not null as is_merged_away,
        is_deleted
    from ({{ changed_records if is_kept else records }}) as records
    {%- if is_kept %}
    union all
    select
        {{ record_key() }} as record_key,
        {{ told | join(', ') }},
        is_merged_away,
        false as is_deleted
    from {{ stored }} as stored
    where {{ record_key() }} not in (select record_key from ({{ changed_records }}) as changed)
    {%- endif -%}
{%- endmacro %}

{#-
edges_among(touched, edges, decisions, tiers): of the edges of these records, the links (is_link), with what they weigh, and
the conflicts (is_conflict): pairs that one entity must not hold both of (`conflict_bits`). These are no links whatever they
weigh: couples and colleagues share all but the first name and the e-mail address. What is decided of a pair
(`pair_decisions`) stands above both, if both records live. With records that are not touched there are conflicts only.
-#}
{% macro edges_among(touched, edges, decisions, tiers) -%}
    {%- set is_part = is_incremental() and is_small_part(touched) -%}
    select {{ small_side('touched') if is_part }} {{ small_side('others') if is_part }}
        edges.key_low,
        edges.key_high,
        cast(edges.bits as decimal(9, 2)) as bits,
        edges.bits >= tiers.least_bits and not {{ is_conflict('edges') }} as is_link,
        {{ is_conflict('edges') }} as is_conflict
    from ({{ edges }}) as edges
    inner join {{ touched }} as touched on edges.key_low = touched.record_key
    {%- if is_part %}
    inner join {{ touched }} as others on edges.key_high = others.record_key
    {%- endif %}
    inner join {{ tiers }} as tiers on tiers.tier = 0
    left join {{ decisions }} as decisions
        on edges.key_low = decisions.key_low and edges.key_high = decisions.key_high and decisions.decision <> 'none'
    where decisions.key_low is null and (edges.bits >= tiers.least_bits or {{ is_conflict('edges') }})
    union all
    select
        decisions.key_low,
        decisions.key_high,
        cast(999 as decimal(9, 2)) as bits,
        decisions.decision = 'must_link' as is_link,
        decisions.decision = 'cannot_link' as is_conflict
    from {{ decisions }} as decisions
    inner join {{ touched }} as low on decisions.key_low = low.record_key and not low.is_gone
    inner join {{ touched }} as high on decisions.key_high = high.record_key and not high.is_gone
    where decisions.decision <> 'none'
{%- endmacro %}

{% macro is_conflict(edges) -%}
    (
        {{ edges }}.bits < {{ var('conflict_bits') }}
        or {{ edges }}.bits < {{ var('conflict_bits_of_unlike_first_names') }}
        and coalesce({{ edges }}.first_name_level = 0, false) and coalesce({{ edges }}.email_level <> 4, true)
    )
{%- endmacro %}

{#-
pair_decisions(): what is known of pairs whatever the evidence: the steward's latest decision, else that their source has
merged the one into the other. key_low, key_high, decision and decided_by (`steward` or `merge`).
-#}
{% macro pair_decisions() -%}
    select
        least(record_a, record_b) as key_low,
        greatest(record_a, record_b) as key_high,
        max_by(decision, decided_at) as decision,
        max_by(decided_by, decided_at) as decided_by
    from (
        select
            record_a,
            record_b,
            decision,
            decided_at,
            'steward' as decided_by
        from {{ ref('er_steward_overrides') }} {{ pinned(ref('er_steward_overrides')) }}
        union all
        select
            record_key as record_a,
            merged_into_key as record_b,
            'must_link' as decision,
            '' as decided_at,
            'merge' as decided_by
        from {{ ref('er_source_records') }} {{ pinned(ref('er_source_records')) }}
        where merged_into_key is not null
    ) as decisions
    where record_a <> record_b
    group by least(record_a, record_b), greatest(record_a, record_b)
{%- endmacro %}

{#-
bits_in_lake(offset): what a comparison (`edges`) weighs in a lake whose size takes `offset` bits. Of twice as many records
twice as many are alike by chance in their names: half a bit off for each name, and a quarter for a mailbox of one name at two
domains, which the names make alike. An e-mail address, telephone, house or postal code is shared by no more people than
before, so it sets a pair the more apart: a bit more for each, and half of one where an e-mail address differs by a slip.
-#}
{% macro bits_in_lake(offset) -%}
    cast(edges.score_bits + {{ offset }} * (
        case edges.email_level when 4 then 1.00 when 3 then -0.25 when 2 then 0.50 else 0.00 end
        + case when edges.phone_level >= 2 then 1.00 else 0.00 end
        + case when edges.address_level in (4, 6) then 1.00 else 0.00 end
        - case when edges.first_name_level >= 1 then 0.50 else 0.00 end
        - case when edges.last_name_level >= 1 then 0.50 else 0.00 end
    ) as decimal(9, 2))
{%- endmacro %}
