{#-
connected_components(links, name): groups records that are linked, directly or through others. `links` is a query that yields
record_key, link_key and match_confidence; the result is a relation with one row per record in it:

    record_key, component_key (the smallest record_key of the group), match_confidence (of the record's best link)

In a run, passes of four rounds are made until nothing changes; 20 rounds without an end are an error. A round about
doubles the distance a key has travelled, so real data needs one pass. Where steps are not kept, two rounds stand inline:
enough for the few records of a unit test. `name` tells the kept steps of two calls in one model apart.
-#}
{% macro connected_components(links, name='labels') -%}
    {%- set components -%}
        select
            record_key,
            min(component_key) as component_key,
            max(match_confidence) as match_confidence
        from {{ settled_labels(initial_labels(links), 4, name) }} as labels
        group by record_key
    {%- endset -%}
    {{ kept_table(name, components) }}
{%- endmacro %}

{% macro initial_labels(links) -%}
    select
        record_key,
        link_key,
        record_key as component_key,
        match_confidence
    from (
        {{ links }}
    ) as links
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
        {% do return(settled_labels('select * from ' ~ step, rounds + 4, name)) %}
    {% endif %}
    {% do return(step) %}
{% endmacro %}

{#-
labels_after(labels, rounds): `labels` (record_key, link_key, component_key, match_confidence) after some rounds, with
previous_key, the component_key before the last one. In a round each record takes the smallest key seen across its
links; then it, the record it is labelled with and all others labelled so take the smallest of theirs (the shortcut that
makes long chains cheap). A round reads the one before it once only, so the plan grows no faster than the rounds.
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
        min(component_key) as previous_key,
        max(match_confidence) as match_confidence
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
