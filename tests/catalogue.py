"""What a database is made of, as text that can be compared: run after all migrations.

Regenerate the expected file, after reading the difference, with AVIARY_ACCEPT=catalogue.
"""

import psycopg

_QUERIES = {
    "tables and views": """
        select c.relname || ' ' || case c.relkind when 'r' then 'table' else 'view' end
            || ' owned by ' || pg_get_userbyid(c.relowner)
            || coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', '')
        from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
    """,
    "columns": """
        select c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
            || case when a.attcollation <> 0 and k.collname <> 'default'
                then ' collate ' || k.collname else '' end
            || case when a.attnotnull then ' not null' else '' end
            || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_collation k on k.oid = a.attcollation
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
    """,
    "indexes": """
        select indexdef from pg_indexes where schemaname = 'public'
    """,
    "constraints": """
        select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
        from pg_constraint
        where connamespace = 'public'::regnamespace and contype <> 'n' and conrelid <> 0
    """,
    "grants": """
        select c.relname || ' to ' || pg_get_userbyid(g.grantee) || ': '
            || string_agg(lower(g.privilege_type), ', ' order by g.privilege_type)
        from pg_class c cross join lateral aclexplode(c.relacl) g
        where c.relnamespace = 'public'::regnamespace and g.grantee <> c.relowner
        group by c.relname, g.grantee
    """,
    "functions, triggers, rules": """
        select 'function ' || oid::regprocedure || ' ' || provolatile::text
        from pg_proc where pronamespace = 'public'::regnamespace
        union all
        select 'trigger ' || tgrelid::regclass || ' ' || tgname
        from pg_trigger where not tgisinternal
        union all
        select 'rule ' || tablename || ' ' || rulename
        from pg_rules where schemaname = 'public' and rulename <> '_RETURN'
    """,
    "roles": """
        select r.rolname || case when r.rolcanlogin then ' login' else ' nologin' end
            || case when r.rolinherit then '' else ' noinherit' end
            || case when r.rolsuper or r.rolcreatedb or r.rolbypassrls or r.rolreplication
                then ' POWERFUL' else '' end
            || coalesce(' in ' || (
                select string_agg(role, ', ' order by role)
                from (
                    select distinct pg_get_userbyid(roleid)::text as role
                    from pg_auth_members where member = r.oid
                ) m
            ), '')
        from pg_roles r where r.rolname like 'aviary%' and r.rolname <> 'aviary_owner'
    """,
}


def catalogue(dsn: str) -> str:
    lines: list[str] = []
    with psycopg.connect(dsn) as connection:
        for title, query in _QUERIES.items():
            found = sorted(str(row[0]) for row in connection.execute(query.encode()))
            lines += [f"-- {title}", *found, ""]
    return "\n".join(lines)
