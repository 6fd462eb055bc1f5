{#-
is_within_edits(left, right, most): whether one text becomes the other by at most so many letters inserted, left out or
exchanged; null for null. Lengths are compared first, because Trino refuses very long texts: keep them below 100 letters.
-#}
{% macro is_within_edits(left, right, most) -%}
    {{ return(adapter.dispatch('is_within_edits', 'frazil')(left, right, most)) }}
{%- endmacro %}

{% macro spark__is_within_edits(left, right, most) -%}
    levenshtein({{ left }}, {{ right }}, {{ most }}) >= 0
{%- endmacro %}

{% macro trino__is_within_edits(left, right, most) -%}
    case
        when abs(length({{ left }}) - length({{ right }})) > {{ most }} then false
        else levenshtein_distance({{ left }}, {{ right }}) <= {{ most }}
    end
{%- endmacro %}
