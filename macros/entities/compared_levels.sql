{#-
compared_levels(): how two records are alike, by comparison: an expression over their columns with `low_` and `high_` in
front, the higher the more alike, null where one of them does not say. What each level weighs is in `seeds/er_weights.csv`.

    first_name  5 equal, 4 by a nickname, 3 exchanged with the last name, 2 an initial or a beginning, 1 similar
    last_name   4 equal, 3 exchanged with the first name, 2 similar, 1 one within the other
    email       4 equal, 3 its name at another domain, or the same mailbox of an office, 2 similar,
                1 the same name without digits and signs
    phone       3 equal, 2 equal but for the country, 1 one digit off
    address     6 house and street, 5 house and a similar street, or one of both, postal code and city, 4 postal code,
                3 city, 2 country, 1 another place there
-#}
{% macro compared_levels() %}
    {% do return({
        'first_name': level_of_first_name(),
        'last_name': level_of_last_name(),
        'email': level_of_email(),
        'phone': level_of_phone(),
        'address': level_of_address(),
    }) %}
{% endmacro %}

{% macro level_of_first_name() -%}
    case
        when low_first_name_normalized is null or high_first_name_normalized is null then null
        when low_first_name_normalized = high_first_name_normalized
            then case when length(low_first_name_normalized) > 1 then 5 else 2 end
        when low_first_name_canonical = high_first_name_canonical then 4
        when are_names_exchanged then 3
        when
            {{ begins('low_first_name_normalized', 'high_first_name_normalized') }}
            or {{ begins('high_first_name_normalized', 'low_first_name_normalized') }}
            or {{ begins('low_first_name_canonical', 'high_first_name_canonical') }}
            or {{ begins('high_first_name_canonical', 'low_first_name_canonical') }} then 2
        when {{ are_similar('low_first_name_normalized', 'high_first_name_normalized') }} then 1
        else 0
    end
{%- endmacro %}

{% macro level_of_last_name() -%}
    case
        when low_last_name_normalized is null or high_last_name_normalized is null then null
        when low_last_name_normalized = high_last_name_normalized then 4
        when are_names_exchanged then 3
        when {{ are_similar('low_last_name_normalized', 'high_last_name_normalized') }} then 2
        when
            length(low_last_name_normalized) >= 4 and length(high_last_name_normalized) >= 4
            and (
                high_last_name_normalized like concat('%', low_last_name_normalized, '%')
                or low_last_name_normalized like concat('%', high_last_name_normalized, '%')
            ) then 1
        else 0
    end
{%- endmacro %}

{% macro level_of_email() -%}
    {%- set low_letters = replaced_all('low_email_local', '[^a-z]+') -%}
    {%- set high_letters = replaced_all('high_email_local', '[^a-z]+') -%}
    case
        when low_email_normalized is null or high_email_normalized is null then null
        when low_email_normalized = high_email_normalized
            then case when {{ is_office_mailbox('low_email_local') }} then 3 else 4 end
        when low_email_local = high_email_local and length(low_email_local) >= 5 then 3
        when
            length(low_email_local) >= 5 and low_email_domain = high_email_domain
            and {{ is_one_slip('substr(low_email_local, 1, 64)', 'substr(high_email_local, 1, 64)') }} then 2
        when length({{ low_letters }}) >= 5 and {{ low_letters }} = {{ high_letters }} then 1
        else 0
    end
{%- endmacro %}

{% macro level_of_phone() -%}
    case
        when low_phone_normalized is null or high_phone_normalized is null then null
        when low_phone_normalized = high_phone_normalized then 3
        when
            low_phone_suffix = high_phone_suffix
            and not (low_phone_normalized like '+%' and high_phone_normalized like '+%') then 2
        when {{ is_one_slip('low_phone_normalized', 'high_phone_normalized') }} then 1
        else 0
    end
{%- endmacro %}

{% macro level_of_address() -%}
    case
        when low_country_code <> high_country_code then 0
        when
            low_house_number = high_house_number and low_street_normalized = high_street_normalized
            and coalesce(is_same_city, true) then 6
        when low_house_number = high_house_number and is_same_street then 5
        when
            low_postal_code_normalized = high_postal_code_normalized and is_same_city
            and (low_house_number = high_house_number or is_same_street) then 5
        when low_postal_code_normalized = high_postal_code_normalized then 4
        when is_same_city then 3
        when low_city_normalized <> high_city_normalized then 1
        when low_postal_code_normalized <> high_postal_code_normalized then 1
        when low_country_code = high_country_code then 2
    end
{%- endmacro %}

{#- compared_twice(): what more than one comparison, or one of them more than once, asks: by name, an expression. -#}
{% macro compared_twice() %}
    {% do return({
        'are_names_exchanged': names_exchanged(),
        'is_same_street': is_same('street_normalized', 'street_normalized'),
        'is_same_city': is_same('city_normalized', 'city_normalized'),
    }) %}
{% endmacro %}

{#- Each one's first name is the other's last name, but for a slip, or is short for it. -#}
{% macro names_exchanged() -%}
    coalesce(
        {{ is_same('first_name_normalized', 'last_name_normalized') }}
        and {{ is_same('last_name_normalized', 'first_name_normalized') }}
        or low_first_name_canonical = high_last_name_normalized
        and low_last_name_normalized = high_first_name_canonical,
        false
    )
{%- endmacro %}

{% macro is_same(low, high) -%}
    (low_{{ low }} = high_{{ high }} or {{ are_similar('low_' ~ low, 'high_' ~ high) }})
{%- endmacro %}

{% macro begins(short, long) -%}
    (
        length({{ short }}) < length({{ long }}) and length({{ short }}) <> 2
        and substr({{ long }}, 1, length({{ short }})) = {{ short }}
    )
{%- endmacro %}

{#- One slip of a finger, two in a long word; words of three letters and less are never similar; null for null. -#}
{% macro are_similar(left, right) -%}
    (
        least(length({{ left }}), length({{ right }})) >= 4
        and case {{ edits_up_to(left, right, 2) }}
            when 2 then
                least(length({{ left }}), length({{ right }})) >= 7
                or {{ sorted_letters(left) }} = {{ sorted_letters(right) }}
            when -1 then false
            when 0 then true
            when 1 then true
        end
    )
{%- endmacro %}

{#- A letter put in, left out or mistaken for another, or two letters exchanged. -#}
{% macro is_one_slip(left, right) -%}
    case {{ edits_up_to(left, right, 2) }}
        when 2 then {{ sorted_letters(left) }} = {{ sorted_letters(right) }}
        when -1 then false
        when 0 then true
        when 1 then true
    end
{%- endmacro %}
