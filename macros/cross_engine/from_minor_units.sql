{#-
from_minor_units(minor, digits): a whole number of a currency's smallest unit as decimal(18, 2) of its main unit, in
exact arithmetic; `digits` is how many decimals the sender counts in. A third decimal is rounded half up. Null where
the amount does not fit.
-#}
{% macro from_minor_units(minor, digits) -%}
    try_cast(
        cast({{ minor }} as decimal(19, 0))
        * case {{ digits }} when 0 then 1.0000 when 1 then 0.1000 when 2 then 0.0100 when 3 then 0.0010 when 4 then 0.0001 end
        as decimal(18, 2)
    )
{%- endmacro %}
