{#-
normalized_records(records): what the matcher compares, beside the columns that `records` yields: source, source_id,
merged_into_key, email, phone, first_name, last_name, full_name, address, city, postal_code, country and is_living.

    email_normalized        lower case, without a +tag; Gmail's dots and second domain are taken out; null if no address
    email_local, email_domain
    phone_normalized        E.164 where the number or the record says a country, else its digits; null if no number
    phone_suffix            the last eight digits, which are the same with and without a country
    first_name_normalized   the first word, folded; a full name is split, also one written `Last, First`
    first_name_canonical    the name that a nickname stands for
    last_name_normalized    the last word, folded; a company's name as one word
    street_normalized, house_number, postal_code_normalized, city_normalized, country_code

Long values are cut before anything looks at them. No value is made up: what is empty, blank or broken is null.
-#}
{% macro normalized_records(records) -%}
    select
        {{ named_columns() }},
        email_normalized,
        split_part(email_normalized, '@', 1) as email_local,
        split_part(email_normalized, '@', 2) as email_domain,
        phone_normalized,
        case when length(phone_normalized) >= 8 then substr(phone_normalized, length(phone_normalized) - 7) end as phone_suffix,
        nullif(substr(first_name_normalized, 1, 40), '') as first_name_normalized,
        nullif(substr(coalesce(nicknames.name, first_name_normalized), 1, 40), '') as first_name_canonical,
        nullif(substr(last_name_normalized, 1, 40), '') as last_name_normalized,
        nullif(substr(street, 1, 40), '') as street_normalized,
        house_number,
        postal_code_normalized,
        city_normalized,
        country_code
    from (
        {{ records_with_words(records) }}
    ) as words
    left join {{ ref('er_nicknames') }} as nicknames on words.first_name_normalized = nicknames.nickname
{%- endmacro %}

{% macro named_columns(with_key=true) -%}
    {{ 'record_key, ' if with_key }}source, source_id, merged_into_key, email, phone, first_name, last_name, full_name, is_living
{%- endmacro %}

{#- Words are taken from the folded names; a record that only has a full name gives both from it. -#}
{% macro records_with_words(records) -%}
    select
        {{ named_columns() }},
        case when is_gmail then concat(replace(local_part, '.', ''), '@gmail.com') else email_untagged end as email_normalized,
        {{ valid_phone() }} as phone_normalized,
        case
            when is_company then null
            when given is not null or family is not null then split_part(given, ' ', 1)
            when written like '%,%' then split_part(behind_comma, ' ', 1)
            when whole like '% %' then split_part(whole, ' ', 1)
        end as first_name_normalized,
        case
            when is_company
                then replace({{ replaced_all("coalesce(family, whole)", company_words()) }}, ' ', '')
            when given is not null or family is not null then {{ last_word('family') }}
            when written like '%,%' then {{ last_word('before_comma') }}
            else {{ last_word('whole') }}
        end as last_name_normalized,
        replace({{ replaced_all(replaced_all(replaced_all("street_words", '^[0-9 ]+'), ' *[0-9].*$'), street_kinds()) }}, ' ', '') as street,
        house_number,
        nullif(substr({{ replaced_all("upper(postal_code)", '[^0-9A-Z]+') }}, 1, 10), '') as postal_code_normalized,
        nullif(substr(city_folded, 1, 40), '') as city_normalized,
        country_code
    from (
        select
            *,
            split_part(email_untagged, '@', 1) as local_part,
            split_part(email_untagged, '@', 2) in ('gmail.com', 'googlemail.com') as is_gmail,
            coalesce({{ matches("coalesce(family, whole)", company_words()) }} and given is null, false) as is_company,
            case
                when number like '+%' then number
                when calling_code is null then number
                when trunk_prefix is not null and number like concat(trunk_prefix, '%')
                    then concat('+', calling_code, substr(number, length(trunk_prefix) + 1))
                when number like concat(calling_code, '%') and length(number) > longest_number then concat('+', number)
                else concat('+', calling_code, number)
            end as number_of_country
        from (
            {{ records_folded(records) }}
        ) as folded
        left join {{ ref('er_countries') }} as countries on folded.country_folded = countries.country
    ) as split_up
{%- endmacro %}

{% macro records_folded(records) -%}
    select
        concat(source, ':', source_id) as record_key,
        {{ named_columns(with_key=false) }},
        substr(full_name, 1, 80) as written,
        {{ told(untitled(folded_text('substr(first_name, 1, 80)'))) }} as given,
        {{ told(folded_text('substr(last_name, 1, 80)')) }} as family,
        {{ told(untitled(folded_text('substr(full_name, 1, 80)'))) }} as whole,
        {{ folded_text("split_part(substr(full_name, 1, 80), ',', 1)") }} as before_comma,
        {{ folded_text("split_part(substr(full_name, 1, 80), ',', 2)") }} as behind_comma,
        case
            when {{ matches("lower(trim(email))", '^[^@\\s]+@[^@\\s]+$') }} and length(trim(email)) <= 254
                then {{ replaced_all("lower(trim(email))", '^([^@+]+)[+][^@]*@', first_group() ~ '@') }}
        end as email_untagged,
        {{ phone_digits('substr(phone, 1, 60)') }} as number,
        {{ folded_text('substr(address, 1, 120)') }} as street_words,
        {{ first_match('substr(address, 1, 120)', '[0-9]+(/[0-9]+)?') }} as house_number,
        postal_code,
        {{ folded_text('substr(city, 1, 80)') }} as city_folded,
        nullif({{ folded_text('substr(country, 1, 80)') }}, '') as country_folded
    from (
        {{ records }}
    ) as records
{%- endmacro %}

{#- phone_digits(column): digits, with a + in front of an international number; extensions and a (0) in it left out. -#}
{% macro phone_digits(column) -%}
    {%- set bare = replaced_all('lower(' ~ column ~ ')', '(ext[.]?|x|#)\\s*[0-9]{1,6}\\s*$') -%}
    {{ replaced_all(replaced_all(replaced_all(bare, '^(\\s*([+]|00).*)\\([08]\\)', first_group()), '[^0-9+]'), '^00', '+') }}
{%- endmacro %}

{#- A number has 7 to 15 digits, is no run of one digit, and no other made-up one, with or without a country's code. -#}
{% macro valid_phone() -%}
    {%- set counted_up = '^[+]?0*(1234567|7654321|9876543)|^[+][0-9]{1,3}0*(123456789|987654321)' -%}
    case
        when
            {{ matches('number_of_country', '^[+]?[0-9]{7,15}$') }}
            and not {{ matches('number_of_country', counted_up ~ '|0{7}|1{7}|2{7}|3{7}|4{7}|5{7}|6{7}|7{7}|8{7}|9{7}') }}
            then number_of_country
    end
{%- endmacro %}

{% macro last_word(column) -%}
    {{ replaced_all(column, '^.* ') }}
{%- endmacro %}

{#- Words that programs write where nobody gave a name are none. -#}
{% macro told(text) -%}
    nullif({{ replaced_all(text, '^((null|none|nil|nan|undefined|unknown|n a)( |$))+$') }}, '')
{%- endmacro %}

{% macro untitled(text) -%}
    {{ replaced_all(text, '^(mr|mrs|ms|dr|prof|herr|frau|mme|sr|sra) ') }}
{%- endmacro %}

{% macro company_words() -%}
    (^| )(ltd|limited|gmbh|ag|kg|sarl|sas|sa|s l|s r l|srl|sp z o o|b v|bv|nv|ab|oy|inc|llc|corp|company)$
{%- endmacro %}

{% macro street_kinds() -%}
    (^| )(street|str|st|road|rd|avenue|ave|lane|drive|rue|ru|r|calle|c|via|v|ulica|ulitsa|ul|rua|odos|nagar|ngr)( |$)|(strasse|straat|str|gatan|vej|gade)( |$)
{%- endmacro %}
