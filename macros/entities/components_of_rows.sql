{#-
components_of_rows(edges, tiers): what `resolved_components` finds, for few edges and without a query. `edges` are rows of
`edges_among` as texts (key_low, key_high, bits, is_link, is_conflict), `tiers` rows of `all_tiers`, the lowest first. Returns
rows as texts:

    record_key, component_key, resolution_group, is_cut, bits
-#}
{% macro components_of_rows(edges, tiers) %}
    {% set links = [] %}
    {% set conflicts = [] %}
    {% set parted = [] %}
    {% for low, high, bits, is_link, is_conflict in edges %}
        {% if is_link == 'true' %}
            {% do links.append((low, high, bits | float)) %}
        {% endif %}
        {% if is_conflict == 'true' %}
            {% do conflicts.append((low, high)) %}
            {% do parted.append((low, high)) if bits | float > 900 %}
        {% endif %}
    {% endfor %}
    {% set groups = linked_groups(links, -1000, {}) %}
    {% set chosen = {} %}
    {% for tier, least_bits, most_records in tiers %}
        {% set found = groups if loop.first else linked_groups(links, least_bits | float, chosen) %}
        {% set in_conflict = groups_with(parted if tier == '99' else conflicts, found) %}
        {% for record, members in found.items() if members | length <= most_records | int and members[0] not in in_conflict %}
            {% do chosen.update({record: members}) %}
        {% endfor %}
    {% endfor %}
    {% do return(rows_of_components(links, groups, chosen)) %}
{% endmacro %}

{#- The records of links of `least_bits` and more that are not in `left_out`, each with the sorted list of all linked with it. -#}
{% macro linked_groups(links, least_bits, left_out) %}
    {% set found = {} %}
    {% for low, high, bits in links if bits >= least_bits and low not in left_out %}
        {% set one = found.setdefault(low, [low]) %}
        {% set other = found.setdefault(high, [high]) %}
        {% if one is not sameas other %}
            {% set kept, moved = (one, other) if one | length >= other | length else (other, one) %}
            {% do kept.extend(moved) %}
            {% for record in moved %}
                {% do found.update({record: kept}) %}
            {% endfor %}
        {% endif %}
    {% endfor %}
    {% for members in found.values() %}
        {% do members.sort() %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}

{#- The first members of the groups that hold both records of a pair. -#}
{% macro groups_with(pairs, groups) %}
    {% set found = {} %}
    {% for low, high in pairs if low in groups and high in groups and groups[low] is sameas groups[high] %}
        {% do found.update({groups[low][0]: true}) %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}

{% macro rows_of_components(links, groups, chosen) %}
    {% set strongest = {} %}
    {% for low, high, bits in links if chosen.get(low, [low])[0] == chosen.get(high, [high])[0] %}
        {% do strongest.update({low: [bits, strongest.get(low, bits)] | max, high: [bits, strongest.get(high, bits)] | max}) %}
    {% endfor %}
    {% set rows = [] %}
    {% for record, group in groups.items() %}
        {% set component = chosen.get(record, [record]) %}
        {% set is_cut = component | length < group | length %}
        {% do rows.append([record, component[0], group[0], is_cut | lower, strongest.get(record)]) %}
    {% endfor %}
    {% do return(rows) %}
{% endmacro %}
