{#-
components_of_rows(edges, tiers): what `components_of_many` finds, for few edges and without a query. `edges` are rows of
`edges_among` as texts (key_low, key_high, bits, is_link, is_conflict), `tiers` rows of `er_tiers`, the lowest first. Returns
rows as texts:

    record_key, component_key, resolution_group, is_cut, bits
-#}
{% macro components_of_rows(edges, tiers) %}
    {% set links = [] %}
    {% set add = links.append %}
    {% for low, high, bits, is_link, is_conflict in edges if is_link == 'true' %}
        {% do add((low, high, bits | float)) %}
    {% endfor %}
    {% set decided = [] %}
    {% set parted = [] %}
    {% for low, high, bits, is_link, is_conflict in edges if bits | float > 900 %}
        {% do decided.append((low, high, bits | float)) if is_link == 'true' else parted.append((low, high)) %}
    {% endfor %}
    {% set nodes = nodes_of(decided, parted) %}
    {% set pairs = pairs_of_nodes(edges, nodes) if nodes or parted else pairs_of_rows(edges, links) %}
    {% set groups = linked_groups(links) %}
    {% set parts = groups if pairs.links is sameas links else linked_groups(pairs.links) %}
    {% set chosen = parts_within_bounds(pairs.links, pairs.conflicts, tiers, parts) %}
    {% do return(rows_of_components(links, groups, nodes, chosen)) %}
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
    {% set together = linked_groups(decided) %}
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

{#-
The nodes that stay with others, each with the sorted list of these and itself. `parts` are the groups of all links, which are
those of the lowest tier; in each higher one only the links count that are strong enough, between nodes that have no part yet.
-#}
{% macro parts_within_bounds(links, conflicts, tiers, parts) %}
    {% set pairs, repeat = zip, modules.itertools.repeat %}
    {% set chosen = {} %}
    {% set put = chosen.update %}
    {% set left = namespace(links=links, parts=parts) %}
    {% for tier, least_bits, most_records in tiers %}
        {% if not loop.first %}
            {% set left.links = strong_links(left.links, least_bits | float, chosen) %}
            {% set left.parts = linked_groups(left.links) %}
        {% endif %}
        {% set in_conflict = groups_with(conflicts, left.parts) %}
        {% set most = most_records | int %}
        {% for record, members in left.parts.items() if record == members[0] and record not in in_conflict %}
            {% do put(pairs(members, repeat(members))) if members | length <= most %}
        {% endfor %}
    {% endfor %}
    {% do put(joined_strongest_first(links, conflicts, tiers, chosen)) %}
    {% do return(chosen) %}
{% endmacro %}

{% macro strong_links(links, least_bits, left_out) %}
    {% set found = [] %}
    {% set add = found.append %}
    {% for link in links if link[2] >= least_bits and link[0] not in left_out %}
        {% do add(link) %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}

{#-
The records of links, which begin with two records each, with the sorted list of all linked. A method is looked up once: that
takes longer than a call.
-#}
{% macro linked_groups(links) %}
    {% set pairs, repeat = zip, modules.itertools.repeat %}
    {% set found = {} %}
    {% set put = found.update %}
    {% for link in links %}
        {% set low, high = link[0], link[1] %}
        {% if low not in found %}
            {% if high in found %}
                {% do found[high].append(low) %}
                {% do put({low: found[high]}) %}
            {% else %}
                {% set members = [low, high] %}
                {% do put({low: members, high: members}) %}
            {% endif %}
        {% elif high not in found %}
            {% do found[low].append(high) %}
            {% do put({high: found[low]}) %}
        {% elif found[low] is not sameas found[high] %}
            {% if found[low] | length < found[high] | length %}
                {% do found[high].extend(found[low]) %}
                {% do put(pairs(found[low], repeat(found[high]))) %}
            {% else %}
                {% do found[low].extend(found[high]) %}
                {% do put(pairs(found[high], repeat(found[low]))) %}
            {% endif %}
        {% endif %}
    {% endfor %}
    {% for record, members in found.items() if members[0] == record and members | length > 2 %}
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
    {% set put, count = components.update, sizes.update %}
    {% for record in groups %}
        {% set node = nodes[record] if record in nodes else record %}
        {% set component = record if node is none else (chosen[node][0] if node in chosen else node) %}
        {% do put({record: component}) %}
        {% do count({component: (sizes[component] if component in sizes else 0) + 1}) %}
    {% endfor %}
    {% set strongest = {} %}
    {% set put = strongest.update %}
    {% for low, high, bits in links | sort(attribute=2) if components[low] == components[high] %}
        {% do put({low: bits, high: bits}) %}
    {% endfor %}
    {% set rows = [] %}
    {% set add = rows.append %}
    {% for record, group in groups.items() %}
        {% set component = components[record] %}
        {% set is_cut = 'true' if sizes[component] < group | length else 'false' %}
        {% do add([record, component, group[0], is_cut, strongest[record] if record in strongest else none]) %}
    {% endfor %}
    {% do return(rows) %}
{% endmacro %}
