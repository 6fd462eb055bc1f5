{#-
with_parts_strongest_first(edges, parts): `parts` (`parts_of_groups`, a kept table) with components for what no tier allows:
records whose part is too large, or in conflict, in each tier that their links reach. Nothing is, where nothing is built.
-#}
{% macro with_parts_strongest_first(edges, parts) -%}
    {%- if execute and (not is_building() or not rows_where(parts, 'is_left')) -%}
        {{ return(parts) }}
    {%- endif -%}
    {%- set sql -%}
        select
            parts.record_key,
            parts.resolution_group,
            coalesce(joined.component_key, parts.component_key) as component_key
        from {{ parts }} as parts
        left join ({{ parts_strongest_first(edges, parts) }}) as joined on parts.record_key = joined.record_key
    {%- endset -%}
    {{ return(kept_table('cut_parts', sql)) }}
{%- endmacro %}

{#-
parts_strongest_first(edges, parts): what is left is put together link by link, the strongest first and of equal ones that of
the smallest keys. A link that would make what is larger than its own tier allows, or put two records in conflict together,
is cut. Records are counted off within their group: `labels` holds, at each one's place, the least place of those joined with
it.
-#}
{% macro parts_strongest_first(edges, parts) -%}
    {%- set label_of_low = 'element_at(labels, element_at(link, 2))' -%}
    {%- set label_of_high = 'element_at(labels, element_at(link, 3))' -%}
    {%- set is_in_either = 'label in (' ~ label_of_low ~ ', ' ~ label_of_high ~ ')' -%}
    {%- set is_held = 'element_at(labels, element_at(pair, %s)) in (' ~ label_of_low ~ ', ' ~ label_of_high ~ ')' -%}
    select
        numbered.record_key,
        min(numbered.record_key) over (
            partition by numbered.resolution_group, element_at(labelled.labels, numbered.place)
        ) as component_key
    from ({{ records_left(parts) }}) as numbered
    inner join (
        select
            resolution_group,
            reduce(
                links,
                sequence(1, record_count),
                (labels, link) -> case
                    when {{ label_of_low }} = {{ label_of_high }} then labels
                    when cardinality(filter(labels, label -> {{ is_in_either }})) > element_at(link, 4) then labels
                    when cardinality(filter(conflicts, pair -> {{ is_held % 1 }} and {{ is_held % 2 }})) > 0 then labels
                    else transform(
                        labels,
                        label -> case
                            when {{ is_in_either }} then least({{ label_of_low }}, {{ label_of_high }})
                            else label
                        end
                    )
                end,
                labels -> labels
            ) as labels
        from ({{ links_and_conflicts(edges, parts) }}) as lists
    ) as labelled on numbered.resolution_group = labelled.resolution_group
{%- endmacro %}

{% macro records_left(parts) -%}
    select
        record_key,
        resolution_group,
        cast(row_number() over (partition by resolution_group order by record_key) as int) as place,
        cast(count(*) over (partition by resolution_group) as int) as record_count
    from {{ parts }} as parts
    where is_left
{%- endmacro %}

{#-
By group, sorted: its links as arrays of minus their hundredths of a bit, two places and how many records their tier allows;
and its conflicts as arrays of two places.
-#}
{% macro links_and_conflicts(edges, parts) -%}
    {%- set link = array_of(['cast(-100 * edges.bits as int)', 'low.place', 'high.place', 'tiers.most_records']) -%}
    select
        low.resolution_group,
        low.record_count,
        array_sort(array_agg({{ link }}) filter (where edges.is_link)) as links,
        coalesce(
            array_agg({{ array_of(['low.place', 'high.place']) }}) filter (where edges.is_conflict),
            filter({{ array_of([array_of(['0', '0'])]) }}, pair -> false)
        ) as conflicts
    from {{ edges }} as edges
    inner join ({{ records_left(parts) }}) as low on edges.key_low = low.record_key
    inner join ({{ records_left(parts) }}) as high
        on edges.key_high = high.record_key and low.resolution_group = high.resolution_group
    left join ({{ bounded_tiers() }}) as tiers
        on edges.is_link and edges.bits >= tiers.least_bits and coalesce(edges.bits < tiers.next_bits, true)
    group by low.resolution_group, low.record_count
{%- endmacro %}
