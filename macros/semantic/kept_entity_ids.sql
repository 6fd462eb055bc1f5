{#-
kept_entity_ids(members): which existing ids are kept: component_key and kept_entity_id, for components that keep one.
`members` is a query that yields record_key, component_key, stored_created_at and claimed_entity_id, the id that a living
record had (null for a new one).

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
        component_key,
        claimed_entity_id as kept_entity_id
    from (
        {{ claims.sql }}
    ) as claims
    where is_granted_3
{%- endmacro %}

{#- One row per id and component that claims it. -#}
{% macro entity_id_claims(members) -%}
    select
        *,
        min(first_created_at) over (partition by claimed_entity_id) as entity_created_at,
        false as is_granted_0
    from (
        select
            claimed_entity_id,
            component_key,
            count(*) as claimant_count,
            min(record_key) as first_claimant,
            min(stored_created_at) as first_created_at
        from (
            {{ members }}
        ) as members
        where claimed_entity_id is not null
        group by claimed_entity_id, component_key
    ) as claims
{%- endmacro %}

{% macro grant_claims(claims, round) -%}
    {%- set granted = 'is_granted_' ~ (round - 1) -%}
    {%- set is_open = 'is_open_' ~ round -%}
    select
        *,
        {{ granted }} or (
            {{ is_open }}
            and row_number() over (
                partition by component_key, {{ is_open }} order by entity_created_at, claimed_entity_id
            ) = 1
            and row_number() over (
                partition by claimed_entity_id, {{ is_open }} order by claimant_count desc, first_claimant
            ) = 1
        ) as is_granted_{{ round }}
    from (
        select
            *,
            not bool_or({{ granted }}) over (partition by component_key)
            and not bool_or({{ granted }}) over (partition by claimed_entity_id) as {{ is_open }}
        from (
            {{ claims }}
        ) as claims
    ) as open_claims
{%- endmacro %}

{#-
kept_ids_of_rows(claimants): what `kept_entity_ids` finds, for few records and without a query. `claimants` are tuples of
claimed_entity_id (never null), component_key, record_key and stored_created_at as text; returns {component_key: id}.
-#}
{% macro kept_ids_of_rows(claimants) %}
    {% set created, claims = {}, {} %}
    {% set put_created, put_claim = created.update, claims.update %}
    {% for id, component, record, created_at in claimants %}
        {% do put_created({id: created_at}) if id not in created or created_at < created[id] %}
        {% set count, first = claims[(id, component)] if (id, component) in claims else (0, record) %}
        {% do put_claim({(id, component): (count - 1, record if record < first else first)}) %}
    {% endfor %}
    {% set kept, taken = {}, {} %}
    {% for round in range(3) %}
        {% set best_of_component, best_of_id = {}, {} %}
        {% set put_component, put_id = best_of_component.update, best_of_id.update %}
        {% for (id, component), claim in claims.items() if component not in kept and id not in taken %}
            {% set wanted, offered = (created[id], id), (claim, component) %}
            {% if component not in best_of_component or wanted < best_of_component[component] %}
                {% do put_component({component: wanted}) %}
            {% endif %}
            {% do put_id({id: offered}) if id not in best_of_id or offered < best_of_id[id] %}
        {% endfor %}
        {% for component, (created_at, id) in best_of_component.items() if best_of_id[id][1] == component %}
            {% do kept.update({component: id}) %}
            {% do taken.update({id: true}) %}
        {% endfor %}
    {% endfor %}
    {% do return(kept) %}
{% endmacro %}
