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

{#-
stored_blocks(found): rows of this table that the changed records had (is_changed), and those of other records in the
blocks that they were in or are in now; a block is counted anew over all of them.
-#}
{% macro stored_blocks(found) -%}
    {%- if is_incremental() -%}
    select
        stored.record_key,
        stored.rule,
        stored.block_hash,
        stored.is_generic,
        changed.record_key is not null as is_changed
    from {{ this }} as stored
    left join (
        select distinct record_key from {{ found }} as found
    ) as changed on stored.record_key = changed.record_key
    where
        changed.record_key is not null
        or stored.block_hash in (select block_hash from {{ found }} as found where block_hash is not null)
        or stored.block_hash in (
            select before.block_hash
            from {{ this }} as before
            where before.record_key in (select record_key from {{ found }} as found)
        )
    {%- else -%}
    select *, false as is_changed from {{ found }} as found where false
    {%- endif -%}
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
