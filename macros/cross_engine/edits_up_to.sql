{#-
edits_up_to(left, right, most): how many letters must be put in, left out or replaced to make one text of the other, -1 if
more than `most`; null for null. Lengths are compared first, because Trino refuses very long texts: keep them below 100
letters.
-#}
{% macro edits_up_to(left, right, most) -%}
    {{ return(adapter.dispatch('edits_up_to', 'frazil')(left, right, most)) }}
{%- endmacro %}

{% macro spark__edits_up_to(left, right, most) -%}
    levenshtein({{ left }}, {{ right }}, {{ most }})
{%- endmacro %}

{% macro trino__edits_up_to(left, right, most) -%}
    case
        when abs(length({{ left }}) - length({{ right }})) > {{ most }} then -1
        when levenshtein_distance({{ left }}, {{ right }}) > {{ most }} then -1
        else levenshtein_distance({{ left }}, {{ right }})
    end
{%- endmacro %}
