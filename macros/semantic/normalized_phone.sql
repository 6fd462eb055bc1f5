{#-
normalized_phone(column): the number's digits, with a + in front where it is written internationally (+ or 00). Null if
it is no number: not 7 to 15 digits, only zeros, or a + in the middle (two numbers in one field). No country is guessed,
so a national number does not match its international form.
-#}
{% macro normalized_phone(column) -%}
    {%- set number -%}
        regexp_replace(regexp_replace({{ column }}, '[^0-9+]', ''), '^00', '+')
    {%- endset -%}
    case when regexp_like({{ number }}, '^[+]?[0-9]{7,15}$') and regexp_like({{ number }}, '[1-9]') then {{ number }} end
{%- endmacro %}
