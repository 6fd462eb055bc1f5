{#-
kept_entity_ids(members): adds to `members` kept_entity_id, the existing id that a record's component keeps; null where it
keeps none. `members` is a query that yields record_key, component_key, stored_created_at and claimed_entity_id, the id
that a living record had (null for a new one).

A component claims the ids its records had. When entities merge, it keeps the id that is least by (earliest created_at
among its claimants, entity_id); when one splits, the part with the most of its records keeps the id, of equal parts the
one with the smallest record_key. Where both happen at once, an id that a part could not keep goes to the next part that
has none: a claim is granted if it is the best open one of its component and the best of its id, in three rounds (a claim
still open then is dropped, and the component gets a new id).
-#}
{% macro kept_entity_ids(members) -%}
    {%- set claims = namespace(sql=entity_id_claims(members)) -%}
    {%- for round in range(1, 4) -%}
        {%- set claims.sql = grant_claims(claims.sql, round) -%}
    {%- endfor -%}
    select
        *,
        max(case when is_granted_3 then claimed_entity_id end) over (partition by component_key) as kept_entity_id
    from (
        {{ claims.sql }}
    ) as claims
{%- endmacro %}

{#- Records without a claim are spread by claim_key: in one window partition they would be one task's work. -#}
{% macro entity_id_claims(members) -%}
    select
        *,
        min(stored_created_at) over (partition by claim_key) as entity_created_at,
        count(*) over (partition by claim_key, component_key) as claimant_count,
        min(record_key) over (partition by claim_key, component_key) as first_claimant,
        false as is_granted_0
    from (
        select
            *,
            coalesce(claimed_entity_id, record_key) as claim_key
        from (
            {{ members }}
        ) as members
    ) as claimants
{%- endmacro %}

{#- All records of one claim have the same ranks. -#}
{% macro grant_claims(claims, round) -%}
    {%- set granted = 'is_granted_' ~ (round - 1) -%}
    {%- set is_open = 'is_open_' ~ round -%}
    select
        *,
        {{ granted }} or (
            {{ is_open }}
            and dense_rank() over (partition by component_key, {{ is_open }} order by entity_created_at, claim_key) = 1
            and dense_rank() over (
                partition by claim_key, {{ is_open }} order by claimant_count desc, first_claimant
            ) = 1
        ) as is_granted_{{ round }}
    from (
        select
            *,
            claimed_entity_id is not null
            and not bool_or({{ granted }}) over (partition by component_key)
            and not bool_or({{ granted }}) over (partition by claim_key) as {{ is_open }}
        from (
            {{ claims }}
        ) as claims
    ) as open_claims
{%- endmacro %}
