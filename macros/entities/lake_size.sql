{#-
lake_size(records): offset_bits, how many bits the number of living records takes from a link that chance could have made
(`bits_in_lake`), and is_other, whether the stored index was made with another number of them.
-#}
{% macro lake_size(records) %}
    {% set size = {'offset_bits': 0, 'is_other': false} %}
    {% if execute and is_building() %}
        {% set sql -%}
            select * from (select count(*) from ({{ records }}) as records where not is_deleted) as living
            {%- if is_incremental() %}
            cross join (select min(size_offset_bits), max(size_offset_bits) from {{ this }} {{ as_it_stands() }}) as stored
            {%- endif %}
        {%- endset %}
        {% set living, least_stored, most_stored = (run_query(sql).rows[0] | list + [none, none])[:3] %}
        {% do size.update({'offset_bits': offset_bits(living | int, most_stored)}) %}
        {% for stored in [least_stored, most_stored] if stored is not none and stored | int != size.offset_bits %}
            {% do size.update({'is_other': true}) %}
        {% endfor %}
    {% endif %}
    {% do return(size) %}
{% endmacro %}

{#-
offset_bits(living, stored): three bits for each two doublings begun beyond 65,536 records, in whole bits. What is `stored`
stays until a tenth of the records that began the last doubling are gone: a lake of about that many is not resolved anew with
each run. A doubling doubles what chance makes alike, and a wrong link puts all records of two customers together: of a
million generated records one bit for each joined too many.
-#}
{% macro offset_bits(living, stored) %}
    {% set found = {'bits': 0} %}
    {% for doublings in range(1, 25) %}
        {% set bits, most_before = doublings * 3 // 2, 2 ** (15 + doublings) %}
        {% if living > most_before or stored is not none and stored | int == bits and living * 10 > 9 * most_before %}
            {% do found.update({'bits': bits}) %}
        {% endif %}
    {% endfor %}
    {% do return(found.bits) %}
{% endmacro %}
