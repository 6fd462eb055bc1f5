{#-
connected_components(edges, name, are_few): groups records that are linked, directly or through others. `edges` is a query that
yields record_a and record_b; the result is a relation with one row per record in it:

    record_key, component_key (the smallest record_key of the group)

Each record is put to the nearest of its neighbours, the one with the smallest key, and that one's nearest: with that all
but a few groups are found. What is left are links between such keys. Of a few the groups are found while the SQL is made;
with many, passes of four rounds are made until nothing changes, and 20 rounds without an end are an error. A round about
doubles the distance a key has travelled. Where steps are not kept, two rounds stand inline: enough for a unit test. `name`
tells the kept steps of two calls in one model apart. With `are_few`, computing a step twice costs less than keeping it.
-#}
{% macro connected_components(edges, name='labels', are_few=false) -%}
    {%- set nearest = nearest_records(edges) -%}
    {%- set nearest = '(' ~ nearest ~ ')' if are_few else kept_table(name ~ '_nearest', nearest) -%}
    {%- set labels -%}
        select
            one.record_key,
            two.nearest_key as component_key
        from {{ nearest }} as one
        inner join {{ nearest }} as two on one.nearest_key = two.record_key
    {%- endset -%}
    {%- set first = kept_table(name ~ '_first', labels) -%}
    {%- set rest = edges_between(edges, first) -%}
    {%- set rest = '(' ~ rest ~ ')' if are_few else kept_table(name ~ '_rest', rest) -%}
    {%- set components -%}
        select
            first.record_key,
            coalesce(further.component_key, first.component_key) as component_key
        from {{ first }} as first
        left join {{ components_of_rest(rest, name) }} as further on first.component_key = further.record_key
    {%- endset -%}
    {{ '(' ~ components ~ ')' if are_few else kept_table(name, components) }}
{%- endmacro %}

{% macro nearest_records(edges) -%}
    select
        record_key,
        least(record_key, min(other_key)) as nearest_key
    from (
        select
            record_a as record_key,
            record_b as other_key
        from (
            {{ edges }}
        ) as edges
        union all
        select
            record_b as record_key,
            record_a as other_key
        from (
            {{ edges }}
        ) as edges
    ) as neighbours
    group by record_key
{%- endmacro %}

{#- The edges that lead from one component_key of `labels` to another. -#}
{% macro edges_between(edges, labels) -%}
    select distinct
        least(one.component_key, other.component_key) as record_a,
        greatest(one.component_key, other.component_key) as record_b
    from (
        {{ edges }}
    ) as edges
    inner join {{ labels }} as one on edges.record_a = one.record_key
    inner join {{ labels }} as other on edges.record_b = other.record_key
    where one.component_key <> other.component_key
{%- endmacro %}

{% macro components_of_rest(edges, name) -%}
    {%- set text = dbt.type_string() -%}
    {%- set rows = few_rows('select * from ' ~ edges ~ ' as rest', {'record_a': text, 'record_b': text}) -%}
    {%- if rows is not none -%}
        {%- set found = [] -%}
        {%- for record, members in linked_groups(rows).items() -%}
            {%- do found.append((record, members[0])) -%}
        {%- endfor -%}
        {{ literal_rows(found, {'record_key': text, 'component_key': text}) }}
    {%- else -%}
        (
            select
                record_key,
                min(component_key) as component_key
            from {{ settled_labels(initial_labels(edges), 4, name) }} as labels
            group by record_key
        )
    {%- endif -%}
{%- endmacro %}

{% macro initial_labels(edges) -%}
    select
        record_key,
        record_a || ' ' || record_b as link_key,
        record_key as component_key
    from {{ edges }} as edges
    {{ each_of(['record_a', 'record_b'], 'record_key') }}
{%- endmacro %}

{% macro settled_labels(labels, rounds, name) %}
    {% set is_run = execute and is_building() %}
    {% set step = kept_table(name ~ '_' ~ rounds, labels_after(labels, 4 if is_run else 2)) %}
    {% if is_run and rows_where(step, 'component_key <> previous_key') %}
        {% if rounds == 20 %}
            {{ exceptions.raise_compiler_error(
                this ~ ': components are not settled after 20 rounds, so some chain of links is absurdly long; look for'
                ~ ' generated e-mail addresses or phone numbers'
            ) }}
        {% endif %}
        {% do return(settled_labels('select record_key, link_key, component_key from ' ~ step, rounds + 4, name)) %}
    {% endif %}
    {% do return(step) %}
{% endmacro %}

{#-
labels_after(labels, rounds): `labels` (record_key, link_key, component_key) after some rounds, with previous_key, the
component_key before the last one. In a round each record takes the smallest key seen across its links; then it, the record
it is labelled with and all others labelled so take the smallest of theirs (the shortcut that makes long chains cheap). A
round reads the one before it once only, so the plan grows no faster than the rounds.
-#}
{% macro labels_after(labels, rounds) -%}
    {%- set state = {'labels': labels} -%}
    {%- for round in range(rounds) -%}
        {%- do state.update({'labels': labels_after_one_round(state.labels)}) -%}
    {%- endfor -%}
    {{ state.labels }}
{%- endmacro %}

{% macro labels_after_one_round(labels) -%}
    select
        record_key,
        link_key,
        min(smallest_in_group) as component_key,
        min(component_key) as previous_key
    from (
        select
            *,
            min(smallest_in_link) over (partition by group_key) as smallest_in_group
        from (
            select
                *,
                min(component_key) over (partition by link_key) as smallest_in_link
            from (
                {{ labels }}
            ) as labels
        ) as linked
        {{ each_of(['record_key', 'component_key'], 'group_key') }}
    ) as grouped
    group by record_key, link_key
{%- endmacro %}
