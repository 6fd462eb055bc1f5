{#-
Views on Spark: replaced only where the text has changed, whose hash is a property of the view. Each replacement is a
version and a file more, and a build without news writes nothing.
-#}
{% materialization view, adapter='spark' %}
    {% set target = this.incorporate(type='view') %}
    {% set existing = load_relation(this) %}
    {% set text = local_md5(sql) %}
    {{ run_hooks(pre_hooks) }}

    {% if existing is not none and not existing.is_view %}
        {% do adapter.drop_relation(existing) %}
        {% set existing = none %}
    {% endif %}
    {% if existing is none or stored_view_text(target) != text %}
        {% call statement('main') %}
            create or replace view {{ target }} tblproperties ('frazil.text' = '{{ text }}') as
            {{ sql }}
        {% endcall %}
    {% else %}
        {% call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) %}
            {{ sql }}
        {% endcall %}
    {% endif %}

    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{#- The hash of the text the view has; another answer where it has none. -#}
{% macro stored_view_text(view) %}
    {% do return(run_query("show tblproperties " ~ view ~ " ('frazil.text')").rows[0][1]) %}
{% endmacro %}
