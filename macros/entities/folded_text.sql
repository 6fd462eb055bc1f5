{#-
folded_text(column): a text in lower-case Latin letters as far as letters can say: accents dropped, German digraphs and
umlauts alike, Cyrillic and Greek transliterated; other scripts stay as they are. Digits stay, everything else is a space.
-#}
{% macro folded_text(column) -%}
    {%- set from = 'àáâãäåāăąçćčďđðèéêëēėęěğģìíîïīįıķĺļľłñńņňòóôõöøōőŕřśşšșţťțùúûüūůűųýÿžźż'
        ~ 'абвгґдезиійклмнопрстуфыэєїάαβγδεέζηήιίϊΐκλμνξοόπρσςτυύϋΰφωώ' -%}
    {%- set to = 'aaaaaaaaacccdddeeeeeeeeggiiiiiiikllllnnnnoooooooorrsssstttuuuuuuuuyyzzz'
        ~ 'abvggdeziiyklmnoprstufyeeyaavgdeeziiiiiiklmnxooprsstyyyyfoo' -%}
    {%- set longer = {
        'ß': 'ss', 'æ': 'a', 'œ': 'o', 'þ': 'th', 'ё': 'e', 'ж': 'zh', 'х': 'kh', 'ц': 'ts', 'ч': 'ch', 'ш': 'sh',
        'щ': 'shch', 'ъ': '', 'ь': '', 'ю': 'yu', 'я': 'ya', 'θ': 'th', 'χ': 'ch', 'ψ': 'ps', 'ae': 'a', 'oe': 'o',
        'ue': 'u', '-': '', '’': '', "''": '',
    } -%}
    {%- set text = namespace(sql="translate(lower(" ~ column ~ "), '" ~ from ~ "', '" ~ to ~ "')") -%}
    {%- for letter, letters in longer.items() -%}
        {%- set text.sql = "replace(" ~ text.sql ~ ", '" ~ letter ~ "', '" ~ letters ~ "')" -%}
    {%- endfor -%}
    trim({{ replaced_all(replaced_all(text.sql, '\\p{M}+', ''), '[^\\p{L}0-9]+', ' ') }})
{%- endmacro %}
