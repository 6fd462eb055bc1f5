{#-
block_keys(): what records are looked up by before they are compared; by rule, an expression over `normalized_records`.
Two records are compared if they are alike in one of them. A part that is null makes the whole null, so nothing is ever
found by what is missing, nor by initials alone. The two rules with `mailbox` meet: a name in one record and a mailbox of that name in another.
-#}
{% macro block_keys() %}
    {% set first = 'first_name_canonical' %}
    {% set last = 'last_name_normalized' %}
    {% set letters = replaced_all('email_local', '[^a-z]+') %}
    {% do return({
        'email': 'email_normalized',
        'phone': 'phone_suffix',
        'mailbox': "case when length(" ~ letters ~ ") >= 6 then " ~ letters ~ " end",
        'name_as_mailbox': "case when length(" ~ first ~ ") > 1 then " ~ first ~ " || " ~ last ~ " end",
        'name': "case when length(" ~ first ~ ") = 1 or length(" ~ last ~ ") = 1 then null when " ~ first ~ " < " ~ last ~ " then " ~ first ~ " || ' ' || " ~ last ~ " else " ~ last ~ " || ' ' || " ~ first ~ " end",
        'name_ends': "case when length(" ~ first ~ ") > 1 and length(" ~ last ~ ") > 1 then " ~ first ~ " || ' ' || substr(" ~ last ~ ", greatest(length(" ~ last ~ ") - 3, 1)) end",
        'surname_and_mailbox': last ~ " || ' ' || substr(email_local, 1, 4)",
        'surname_and_postal_code': last ~ " || ' ' || postal_code_normalized",
        'first_name_and_postal_code': "substr(" ~ first ~ ", 1, 1) || ' ' || postal_code_normalized",
        'surname_and_city': "substr(" ~ first ~ ", 1, 1) || ' ' || " ~ last ~ " || ' ' || city_normalized",
        'address': "street_normalized || ' ' || house_number",
    }) %}
{% endmacro %}
