{#-
appended_between(first, last): behind a table's name, reads the rows that were appended to it after one snapshot up to
another one, of which the first is an ancestor; none where the engine cannot. Nothing else of a table may be read so in one
statement: the engine would take it for the same.
-#}
{% macro appended_between(first, last) %}
    {{ return(adapter.dispatch('appended_between', 'frazil')(first, last)) }}
{% endmacro %}

{% macro spark__appended_between(first, last) %}
    {% do return("with (`start-snapshot-id` = '" ~ first ~ "', `end-snapshot-id` = '" ~ last ~ "')") %}
{% endmacro %}

{% macro trino__appended_between(first, last) %}
    {% do return(none) %}
{% endmacro %}
