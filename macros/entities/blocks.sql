{#-
found_blocks(records): the blocks that changed records are in now: record_key, rule, block_hash and is_generic. A record
that is in none, or is gone, is one row without a rule.
-#}
{% macro found_blocks(records) -%}
    {%- set keys = block_keys() -%}
    {%- set columns = [] -%}
    {%- for rule in keys -%}
        {%- do columns.append("'" ~ rule ~ ":' || " ~ rule ~ '_key') -%}
    {%- endfor -%}
    select
        record_key,
        rule,
        case when rule is not null then {{ hash_number(block_text()) }} end as block_hash,
        coalesce(rule = 'email' and {{ is_generic_mailbox('email_local') }}, false) as is_generic
    from (
        select
            record_key,
            email_local,
            nullif(split_part(block_key, ':', 1), '') as rule,
            block_key
        from (
            select
                record_key,
                email_local,
                {%- for rule, key in keys.items() %}
                nullif({{ key }}, '') as {{ rule }}_key{{ ',' if not loop.last }}
                {%- endfor %}
            from (
                {{ records }}
            ) as records
        ) as records_with_keys
        {{ each_of(columns + ["''"], 'block_key') }}
        where block_key is not null
    ) as blocks
{%- endmacro %}

{#- Rules whose keys meet are one text; the rule of the row that every record has is empty. -#}
{% macro block_text() -%}
    replace(block_key, 'name_as_mailbox:', 'mailbox:')
{%- endmacro %}

{#- blocks_before(found): the rows of this table that the changed records have. -#}
{% macro blocks_before(found) -%}
    select {{ small_side('changed') if is_small_part(found) }}
        stored.record_key,
        stored.rule,
        stored.block_hash,
        stored.is_generic,
        stored.is_active
    from {{ this }} {{ as_it_stands() }} as stored
    inner join ({{ changed_records_of(found) }}) as changed on stored.record_key = changed.record_key
{%- endmacro %}

{% macro changed_records_of(found) -%}
    select distinct record_key from {{ found }} as found
{%- endmacro %}

{#-
changed_blocks_of(found, before): the blocks that changed records are in now (`found`) or were in (`before`): block_hash,
is_active as it is now, and is_turned, whether it was otherwise for the records in it that have not changed. Of each
block only the size is looked up: those that many are in are in many runs, and stay as they are.
-#}
{% macro changed_blocks_of(found, before) -%}
    select
        *,
        stored_count > before_count and is_active <> was_active as is_turned
    from (
        select
            blocks.block_hash,
            not is_generic and found_count + coalesce(stored_count, 0) - before_count <= {{ largest_block() }} as is_active,
            before_count,
            coalesce(stored_count, 0) as stored_count,
            coalesce(was_active, false) as was_active
        from (
            {{ counted_blocks(found, before) }}
        ) as blocks
        left join (
            select {{ small_side('touched') if is_small_part(found) }}
                stored.block_hash,
                count(*) as stored_count,
                bool_or(stored.is_active) as was_active
            from {{ this }} {{ as_it_stands() }} as stored
            inner join ({{ counted_blocks(found, before) }}) as touched on stored.block_hash = touched.block_hash
            group by stored.block_hash
        ) as known on blocks.block_hash = known.block_hash
    ) as sizes
{%- endmacro %}

{% macro counted_blocks(found, before) -%}
    select
        block_hash,
        min(rule) as rule,
        bool_or(is_generic) as is_generic,
        sum(is_found) as found_count,
        sum(1 - is_found) as before_count
    from (
        select block_hash, rule, is_generic, 1 as is_found from {{ found }} as found where rule is not null
        union all
        select block_hash, rule, is_generic, 0 as is_found from {{ before }} as before
    ) as rows_of_blocks
    group by block_hash
{%- endmacro %}

{#-
stored_blocks(found, before, sizes): all rows of this table that may change: those of changed records (`before`), and, where
is_turned, those of others in blocks that turned (`sizes` are `changed_blocks_of`).
-#}
{% macro stored_blocks(found, before, sizes) -%}
    select
        before.*,
        false as is_turned
    from {{ before }} as before
    union all
    select {{ small_side('turned') if is_small_part(found) }}
        stored.record_key,
        stored.rule,
        stored.block_hash,
        stored.is_generic,
        stored.is_active,
        true as is_turned
    from {{ this }} {{ as_it_stands() }} as stored
    inner join (
        select block_hash
        from {{ sizes }} as sizes
        where is_turned
    ) as turned on stored.block_hash = turned.block_hash
    left join ({{ changed_records_of(found) }}) as changed on stored.record_key = changed.record_key
    where changed.record_key is null
{%- endmacro %}

{#-
blocks_with_changes(found, before, sizes, stored): the rows of changed records, those of others in blocks that turned
(`stored_blocks`), and without a block those that are no more.
-#}
{% macro blocks_with_changes(found, before, sizes, stored) -%}
    select
        found.record_key,
        found.rule,
        found.block_hash,
        found.is_generic,
        sizes.is_active
    from {{ found }} as found
    inner join {{ sizes }} as sizes on found.block_hash = sizes.block_hash
    union all
    select
        stored.record_key,
        stored.rule,
        stored.block_hash,
        stored.is_generic,
        sizes.is_active
    from {{ stored }} as stored
    inner join {{ sizes }} as sizes on stored.block_hash = sizes.block_hash
    where stored.is_turned
    union all
    select
        before.record_key,
        before.rule,
        cast(null as bigint) as block_hash,
        false as is_generic,
        false as is_active
    from {{ before }} as before
    left join {{ found }} as found on before.record_key = found.record_key and before.rule = found.rule
    where found.rule is null
{%- endmacro %}

{#- Of a full build. Values that many share tell nothing: who has them is not compared because of them. -#}
{% macro blocks_of_all(found) -%}
    select
        record_key,
        rule,
        block_hash,
        is_generic,
        not is_generic and count(*) over (partition by block_hash) <= {{ largest_block() }} as is_active
    from {{ found }} as found
    where rule is not null
{%- endmacro %}

{#- How many records may share a value: more make it nobody's own. -#}
{% macro largest_block() -%}
    case when rule in ('email', 'phone') then 15 else 30 end
{%- endmacro %}

{#- Mailboxes that nobody owns. -#}
{% macro is_generic_mailbox(local) -%}
    {{ local }} in (
        'test', 'noreply', 'no-reply', 'no.reply', 'donotreply', 'none', 'na', 'n.a', 'null', 'unknown', 'nobody', 'example',
        'anonymous', 'user', 'customer', 'guest', 'asdf', 'abc', 'xxx'
    )
{%- endmacro %}

{#- A mailbox that several people of one company read: it tells the company, and little of who writes. -#}
{% macro is_office_mailbox(local) -%}
    {{ local }} in (
        'info', 'office', 'sales', 'contact', 'mail', 'hello', 'orders', 'accounts', 'accounting', 'billing', 'invoices',
        'support', 'service', 'admin', 'team', 'shop', 'purchasing', 'reception', 'kontakt', 'buero', 'einkauf', 'compras',
        'contacto', 'ventas', 'commercial', 'comptabilite', 'direction', 'biuro', 'verkauf', 'bestellung', 'rechnung'
    )
{%- endmacro %}
