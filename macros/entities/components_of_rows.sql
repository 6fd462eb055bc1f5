{#-
components_of_rows(edges, tiers): what `components_of_many` finds, for few edges and without a query. `edges` are rows of
`edges_among` as texts (key_low, key_high, bits, is_link, is_conflict), `tiers` rows of `er_tiers`, the lowest first. Returns
rows as texts:

    record_key, component_key, resolution_group, is_cut, bits
-#}
{% macro components_of_rows(edges, tiers) %}
    {% set links = [] %}
    {% for low, high, bits, is_link, is_conflict in edges if is_link == 'true' %}
        {% do links.append((low, high, bits | float)) %}
    {% endfor %}
    {% set decided = [] %}
    {% set parted = [] %}
    {% for low, high, bits, is_link, is_conflict in edges if bits | float > 900 %}
        {% do decided.append((low, high, bits | float)) if is_link == 'true' else parted.append((low, high)) %}
    {% endfor %}
    {% set nodes = nodes_of(decided, parted) %}
    {% set pairs = pairs_of_nodes(edges, nodes) if nodes or parted else pairs_of_rows(edges, links) %}
    {% set chosen = parts_within_bounds(pairs.links, pairs.conflicts, tiers) %}
    {% do return(rows_of_components(links, linked_groups(links, -1000, {}), nodes, chosen)) %}
{% endmacro %}

{#- The same where nothing is decided: each record is a node, and there is one row for each two. -#}
{% macro pairs_of_rows(edges, links) %}
    {% set conflicts = [] %}
    {% for low, high, bits, is_link, is_conflict in edges if is_conflict == 'true' %}
        {% do conflicts.append((low, high)) %}
    {% endfor %}
    {% do return({'links': links, 'conflicts': conflicts}) %}
{% endmacro %}

{#- The node of each record that decisions put together with others, none where another one parts them (`decided_nodes`). -#}
{% macro nodes_of(decided, parted) %}
    {% set together = linked_groups(decided, 0, {}) %}
    {% set torn = groups_with(parted, together) %}
    {% set nodes = {} %}
    {% for record, members in together.items() %}
        {% do nodes.update({record: none if members[0] in torn else members[0]}) %}
    {% endfor %}
    {% do return(nodes) %}
{% endmacro %}

{#- The links and the conflicts between nodes, as `edges_between_nodes`. -#}
{% macro pairs_of_nodes(edges, nodes) %}
    {% set pairs = {} %}
    {% for low, high, bits, is_link, is_conflict in edges %}
        {% set ends = [nodes.get(low, low), nodes.get(high, high)] %}
        {% if none not in ends and ends[0] != ends[1] %}
            {% do ends.sort() %}
            {% set pair = pairs.setdefault((ends[0], ends[1]), {'bits': -1000, 'conflicts': [], 'is_parted': false}) %}
            {% do pair.update({'bits': [bits | float, pair.bits] | max}) if is_link == 'true' %}
            {% do pair.conflicts.append(is_conflict == 'true') %}
            {% do pair.update({'is_parted': true}) if is_conflict == 'true' and bits | float > 900 %}
        {% endif %}
    {% endfor %}
    {% set found = {'links': [], 'conflicts': []} %}
    {% for (low, high), pair in pairs.items() %}
        {% do found.links.append((low, high, pair.bits)) if pair.bits > -1000 and not pair.is_parted %}
        {% do found.conflicts.append((low, high)) if pair.is_parted or false not in pair.conflicts %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}

{#- The nodes that stay with others, each with the sorted list of these and itself. -#}
{% macro parts_within_bounds(links, conflicts, tiers) %}
    {% set pairs, repeat = zip, modules.itertools.repeat %}
    {% set chosen = {} %}
    {% for tier, least_bits, most_records in tiers %}
        {% set found = linked_groups(links, least_bits | float, chosen) %}
        {% set in_conflict = groups_with(conflicts, found) %}
        {% for record, members in found.items() if record == members[0] and record not in in_conflict %}
            {% do chosen.update(pairs(members, repeat(members))) if members | length <= most_records | int %}
        {% endfor %}
    {% endfor %}
    {% do chosen.update(joined_strongest_first(links, conflicts, tiers, chosen)) %}
    {% do return(chosen) %}
{% endmacro %}

{#- The records of links of `least_bits` and more that are not in `left_out`, each with the sorted list of all linked. -#}
{% macro linked_groups(links, least_bits, left_out) %}
    {% set pairs, repeat = zip, modules.itertools.repeat %}
    {% set found = {} %}
    {% for low, high, bits in links if bits >= least_bits and low not in left_out %}
        {% if low not in found %}
            {% if high in found %}
                {% do found[high].append(low) %}
            {% endif %}
            {% do found.update({low: found.setdefault(high, [high, low])}) %}
        {% elif high not in found %}
            {% do found[low].append(high) %}
            {% do found.update({high: found[low]}) %}
        {% elif found[low] is not sameas found[high] %}
            {% if found[low] | length < found[high] | length %}
                {% do found[high].extend(found[low]) %}
                {% do found.update(pairs(found[low], repeat(found[high]))) %}
            {% else %}
                {% do found[low].extend(found[high]) %}
                {% do found.update(pairs(found[high], repeat(found[low]))) %}
            {% endif %}
        {% endif %}
    {% endfor %}
    {% for record, members in found.items() if members[0] == record %}
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

{#- As `linked_groups`, but links that would make too large a group, or one in conflict, are cut (`parts_strongest_first`). -#}
{% macro joined_strongest_first(links, conflicts, tiers, left_out) %}
    {% set ordered = [] %}
    {% for low, high, bits in links if low not in left_out and high not in left_out %}
        {% for tier, least_bits, most_records in tiers | reverse if bits >= least_bits | float %}
            {% do ordered.append((-bits, low, high, most_records | int)) if loop.first %}
        {% endfor %}
    {% endfor %}
    {% do ordered.sort() %}
    {% set foes = {} %}
    {% for low, high in conflicts if ordered %}
        {% do foes.setdefault(low, []).append(high) %}
    {% endfor %}
    {% set found = {} %}
    {% for _, low, high, most_records in ordered %}
        {% set one = found.setdefault(low, [low]) %}
        {% set other = found.setdefault(high, [high]) %}
        {% if one is not sameas other and one | length + other | length <= most_records %}
            {% if not are_at_odds(one, other, foes, found) and not are_at_odds(other, one, foes, found) %}
                {% do one.extend(other) %}
                {% for record in other %}
                    {% do found.update({record: one}) %}
                {% endfor %}
            {% endif %}
        {% endif %}
    {% endfor %}
    {% for members in found.values() %}
        {% do members.sort() %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}

{% macro are_at_odds(one, other, foes, groups) %}
    {% for record in one %}
        {% for foe in foes.get(record, []) if groups.get(foe) is sameas other %}
            {% do return(true) %}
        {% endfor %}
    {% endfor %}
    {% do return(false) %}
{% endmacro %}

{% macro rows_of_components(links, groups, nodes, chosen) %}
    {% set components = {} %}
    {% set sizes = {} %}
    {% for record in groups %}
        {% set node = nodes[record] if record in nodes else record %}
        {% set component = record if node is none else (chosen[node][0] if node in chosen else node) %}
        {% do components.update({record: component}) %}
        {% do sizes.update({component: (sizes[component] if component in sizes else 0) + 1}) %}
    {% endfor %}
    {% set strongest = {} %}
    {% for low, high, bits in links | sort(attribute=2) if components[low] == components[high] %}
        {% do strongest.update({low: bits, high: bits}) %}
    {% endfor %}
    {% set rows = [] %}
    {% for record, group in groups.items() %}
        {% set component = components[record] %}
        {% set is_cut = 'true' if sizes[component] < group | length else 'false' %}
        {% do rows.append([record, component, group[0], is_cut, strongest[record] if record in strongest else none]) %}
    {% endfor %}
    {% do return(rows) %}
{% endmacro %}
