{#-
compared_levels(): how two records are alike, by comparison: an expression over their columns with `low_` and `high_` in
front, the higher the more alike, null where one of them does not say. What each level weighs is in `seeds/er_weights.csv`.

    first_name  5 equal, 4 by a nickname, 3 exchanged with the last name, 2 an initial or a beginning, 1 similar
    last_name   4 equal, 3 exchanged with the first name, 2 similar, 1 one within the other
    email       4 equal, 3 its name at another domain, 2 similar, 1 the same name without digits and signs
    phone       3 equal, 2 equal but for the country, 1 one digit off
    address     6 house and street, 5 house and a similar street, 4 postal code, 3 city, 2 country, 1 another place there
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
        when {{ names_exchanged() }} then 3
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
        when {{ names_exchanged() }} then 3
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
        when low_email_normalized = high_email_normalized then 4
        when low_email_local = high_email_local and length(low_email_local) >= 5 then 3
        when
            length(low_email_local) >= 5 and low_email_domain = high_email_domain
            and {{ is_within_edits('substr(low_email_local, 1, 64)', 'substr(high_email_local, 1, 64)', 1) }}
            then 2
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
        when {{ is_within_edits('low_phone_normalized', 'high_phone_normalized', 1) }} then 1
        else 0
    end
{%- endmacro %}

{% macro level_of_address() -%}
    case
        when low_country_code <> high_country_code then 0
        when
            low_house_number = high_house_number and low_street_normalized = high_street_normalized
            and coalesce(low_city_normalized = high_city_normalized, true) then 6
        when
            low_house_number = high_house_number
            and {{ are_similar('low_street_normalized', 'high_street_normalized') }} then 5
        when low_postal_code_normalized = high_postal_code_normalized then 4
        when low_city_normalized = high_city_normalized then 3
        when low_city_normalized <> high_city_normalized then 1
        when low_postal_code_normalized <> high_postal_code_normalized then 1
        when low_country_code = high_country_code then 2
    end
{%- endmacro %}

{% macro names_exchanged() -%}
    low_first_name_canonical = high_last_name_normalized and low_last_name_normalized = high_first_name_canonical
{%- endmacro %}

{% macro begins(short, long) -%}
    (
        length({{ short }}) < length({{ long }}) and length({{ short }}) <> 2
        and substr({{ long }}, 1, length({{ short }})) = {{ short }}
    )
{%- endmacro %}

{#- One slip of a finger, two in a long word; words of three letters and less are never similar. -#}
{% macro are_similar(left, right) -%}
    (
        least(length({{ left }}), length({{ right }})) >= 4
        and case
            when least(length({{ left }}), length({{ right }})) >= 7 then {{ is_within_edits(left, right, 2) }}
            else {{ is_within_edits(left, right, 1) }}
        end
    )
{%- endmacro %}
