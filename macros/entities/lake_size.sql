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
offset_bits(living, stored): one for each doubling begun beyond 65,536 records. What is `stored` stays until a tenth of the
records that began the last doubling are gone: a lake of about that many is not resolved anew with each run.
-#}
{% macro offset_bits(living, stored) %}
    {% set found = {'bits': 0} %}
    {% for doubling in range(16, 40) if living > 2 ** doubling %}
        {% do found.update({'bits': loop.index}) %}
    {% endfor %}
    {% if stored is not none and stored | int > found.bits and living * 10 > 9 * 2 ** (15 + stored | int) %}
        {% do return(stored | int) %}
    {% endif %}
    {% do return(found.bits) %}
{% endmacro %}
