"""What the live database is like around its tables: owners, rights, settings. The scratch one is made the same."""

from __future__ import annotations

from warroom.api import Context
from warroom.model.base import Fact
from warroom_postgres.naming import literal, quoted
from warroom_postgres.reach.place import Place, asked


def may_give_to(role: str) -> str:
    """SQL: whether something may be given to it. From 16 on, to be its member is not enough."""
    right = "CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END"
    return f"pg_has_role({role}, {right})"


ABOUT = f"""
SELECT owner.rolname::text AS owner, d.datconnlimit AS connections, t.spcname::text AS tablespace,
  CASE WHEN d.datacl IS NULL THEN NULL ELSE (SELECT coalesce(jsonb_agg(jsonb_build_object('to', coalesce(g.rolname, ''),
    'right', a.privilege_type, 'further', a.is_grantable) ORDER BY g.rolname, a.privilege_type), '[]')
    FROM aclexplode(d.datacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee) END AS grants,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('role', coalesce(r.rolname, ''), 'name', split_part(c, '=', 1),
    'free', coalesce(p.context IN ('user', 'backend'), true)) ORDER BY r.rolname, c), '[]')
    FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c LEFT JOIN pg_roles r ON r.oid = s.setrole
    LEFT JOIN pg_settings p ON p.name = split_part(c, '=', 1) WHERE s.setdatabase = d.oid) AS settings,
  pg_has_role(d.datdba, 'USAGE') AND {may_give_to("d.datdba")} AS member, me.rolcreaterole AS roles,
  CASE WHEN NOT me.rolsuper THEN me.rolname::text END AS maker,
  (SELECT coalesce(jsonb_agg(rolname ORDER BY rolname), '[]') FROM pg_roles) AS known_roles,
  (SELECT count(*) FROM pg_class c WHERE c.reltablespace NOT IN (0, 1664)) AS placed_apart,
  t.spcname = 'pg_default' OR has_tablespace_privilege(t.oid, 'CREATE') AS tablespace_free
FROM pg_database d JOIN pg_roles owner ON owner.oid = d.datdba JOIN pg_tablespace t ON t.oid = d.dattablespace
JOIN pg_roles me ON me.rolname = current_user WHERE d.datname = current_database()
"""
OWNERS = f"""
SELECT kind, name, r.rolname::text AS owner, {may_give_to("r.oid")} AS member FROM (
  SELECT 'pg_class'::regclass AS catalog, c.oid, relowner AS owner, format('%I.%I', n.nspname, c.relname) AS name,
    'TABLE' AS kind
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid
      AND relkind = 'S' AND deptype IN ('a', 'i'))
  UNION ALL SELECT 'pg_proc'::regclass, p.oid, proowner,
    format('%I.%I(%s)', n.nspname, p.proname, (SELECT string_agg(format('%I.%I', tn.nspname, t.typname), ', '
      ORDER BY place) FROM unnest(proargtypes::oid[]) WITH ORDINALITY args(type, place)
      JOIN pg_type t ON t.oid = args.type JOIN pg_namespace tn ON tn.oid = t.typnamespace)), 'ROUTINE'
  FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION ALL SELECT 'pg_type'::regclass, t.oid, typowner, format('%I.%I', n.nspname, t.typname), 'TYPE'
  FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
  WHERE typtype IN ('d', 'e', 'r', 'c') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND (typrelid = 0 OR (SELECT relkind FROM pg_class WHERE pg_class.oid = typrelid) = 'c')
  UNION ALL SELECT 'pg_collation'::regclass, c.oid, collowner, format('%I.%I', n.nspname, collname), 'COLLATION'
  FROM pg_collation c JOIN pg_namespace n ON n.oid = collnamespace WHERE n.nspname !~ '^pg_'
  UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid, stxowner, format('%I.%I', n.nspname, stxname), 'STATISTICS'
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = stxnamespace WHERE n.nspname !~ '^pg_'
  UNION ALL SELECT 'pg_ts_config'::regclass, c.oid, cfgowner, format('%I.%I', n.nspname, cfgname),
    'TEXT SEARCH CONFIGURATION'
  FROM pg_ts_config c JOIN pg_namespace n ON n.oid = cfgnamespace WHERE n.nspname !~ '^pg_'
  UNION ALL SELECT 'pg_ts_dict'::regclass, d.oid, dictowner, format('%I.%I', n.nspname, dictname),
    'TEXT SEARCH DICTIONARY'
  FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = dictnamespace WHERE n.nspname !~ '^pg_'
  UNION ALL SELECT 'pg_operator'::regclass, o.oid, oprowner, format('%I.%s (%s, %I.%I)', n.nspname, oprname,
    coalesce((SELECT format('%I.%I', tn.nspname, t.typname) FROM pg_type t JOIN pg_namespace tn ON tn.oid = typnamespace
      WHERE t.oid = oprleft), 'NONE'), rn.nspname, r.typname), 'OPERATOR'
  FROM pg_operator o JOIN pg_namespace n ON n.oid = oprnamespace JOIN pg_type r ON r.oid = oprright
  JOIN pg_namespace rn ON rn.oid = r.typnamespace WHERE n.nspname !~ '^pg_'
  UNION ALL SELECT 'pg_foreign_server'::regclass, s.oid, srvowner, format('%I', srvname), 'SERVER'
  FROM pg_foreign_server s
  UNION ALL SELECT 'pg_namespace'::regclass, n.oid, nspowner, format('%I', n.nspname), 'SCHEMA'
  FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
) o JOIN pg_roles r ON r.oid = o.owner
WHERE r.rolname <> 'pg_database_owner' AND NOT EXISTS (SELECT 1 FROM pg_depend d
  WHERE d.classid = o.catalog AND d.objid = o.oid AND d.deptype = 'e')
ORDER BY kind, name
"""
"""Whatever a relation is, ALTER TABLE gives it away: a view may have been a table when it was dumped."""
LARGE = f"""
SELECT 'LARGE OBJECT' AS kind, l.oid::text AS name, r.rolname::text AS owner, {may_give_to("r.oid")} AS member
FROM pg_largeobject_metadata l JOIN pg_roles r ON r.oid = lomowner WHERE r.rolname <> @main@ ORDER BY l.oid
"""
DEFAULTS = """
SELECT r.rolname::text AS role, coalesce(n.nspname, '') AS schema_name, d.defaclobjtype::text AS what,
  pg_has_role(r.oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'USAGE' END)
    AS member,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('to', coalesce(g.rolname, ''), 'right', a.privilege_type,
    'further', a.is_grantable) ORDER BY g.rolname, a.privilege_type), '[]')
    FROM aclexplode(d.defaclacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee) AS grants
FROM pg_default_acl d JOIN pg_roles r ON r.oid = d.defaclrole LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
ORDER BY 1, 2, 3
"""
EXTENSIONS = """
SELECT a.name::text AS name, n.nspname::text AS schema_name, e.extversion AS version, e.oid IS NOT NULL AS here,
  coalesce((SELECT bool_and(v.superuser AND NOT v.trusted) FROM pg_available_extension_versions v
    WHERE v.name = a.name AND v.version = a.default_version), true) AS superuser
FROM pg_available_extensions a LEFT JOIN pg_extension e ON e.extname = a.name
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY 1
"""
_OF = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS"}
_QUOTED_LISTS = frozenset(
    ("search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries", "createrole_self_grant")
)
"""Settings whose value is a list of names: as text it would be one name."""
_COPIED = """
DECLARE one record; who text; said text;
BEGIN
  FOR one IN SELECT r.rolname, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
    FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE s.setdatabase = {live}::oid
  LOOP
    who := CASE WHEN one.rolname IS NULL THEN format('DATABASE %I', {name})
      ELSE format('ROLE %I IN DATABASE %I', one.rolname, {name}) END;
    said := (SELECT string_agg(quote_ident(part), '.' ORDER BY place)
      FROM unnest(string_to_array(one.name, '.')) WITH ORDINALITY parts(part, place));
    IF one.name = ANY (ARRAY[{lists}]) THEN
      said := format('ALTER %s SET %s FROM CURRENT', who, said);
      PERFORM pg_catalog.set_config(one.name, one.value, true);
      EXECUTE said;
      PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    ELSE
      EXECUTE format('ALTER %s SET %s TO %L', who, said, one.value);
    END IF;
  END LOOP;
END
"""
"""On the server, which keeps them in a catalogue that all its databases share: no value ever comes here."""
MINE = """
SELECT 'LARGE OBJECT' AS kind, l.oid::text AS name, r.rolname AS owner
FROM pg_largeobject_metadata l JOIN pg_roles r ON r.oid = lomowner
"""
_GIVEN = """
DECLARE one record;
BEGIN
  FOR one IN SELECT kind, name FROM (SELECT kind, name, owner FROM ({owned}) given
    UNION ALL SELECT kind, name, owner FROM ({large}) given) given WHERE owner = current_user
    ORDER BY kind <> 'SCHEMA'
  LOOP
    BEGIN
      EXECUTE format('ALTER %s %s OWNER TO %s', one.kind, one.name, {main});
    EXCEPTION WHEN feature_not_supported THEN NULL; -- goes with its table
    END;
  END LOOP;
END
"""
_MOST = 100_000


class Grant(Fact):
    """``to`` empty: everybody."""

    to: str
    right: str
    further: bool

    def words(self, on: str) -> str:
        option = " WITH GRANT OPTION" if self.further else ""
        return f"GRANT {self.right} {on} TO {quoted(self.to) if self.to else 'PUBLIC'}{option}"


class Setting(Fact):
    """``role`` empty: of the database. ``free``: it needs no superuser. Its value may be a secret: it is not read."""

    role: str
    name: str
    free: bool


class Owned(Fact):
    kind: str
    name: str
    owner: str
    member: bool


class Default(Fact):
    role: str
    schema_name: str
    what: str
    member: bool
    grants: tuple[Grant, ...]


class Extension(Fact):
    """``here``: the live database has it. ``superuser``: nobody else can make it."""

    name: str
    schema_name: str | None
    version: str | None
    here: bool
    superuser: bool


class Around(Fact):
    """``main`` owns most of what is in it; ``main_member``: who restores may give it that. ``maker`` None: it is
    restored by a role of its own. ``grants`` None: nobody changed those that a new database has. ``placed_apart``: how
    many tables and indexes lie in a tablespace of their own."""

    owner: str
    main: str
    main_member: bool
    maker: str | None
    connections: int
    tablespace: str
    placed_apart: int = 0
    grants: tuple[Grant, ...] | None
    settings: tuple[Setting, ...]
    owned: tuple[Owned, ...]
    defaults: tuple[Default, ...]
    extensions: tuple[Extension, ...]
    known_roles: tuple[str, ...]
    member: bool
    roles: bool
    tablespace_free: bool

    @property
    def placed(self) -> dict[str, str]:
        """The schema of each extension that only a superuser makes, where that is one of its own."""
        usual = (None, "public", "pg_catalog")
        return {e.name: e.schema_name or "" for e in self.extensions if e.superuser and e.schema_name not in usual}

    def lacking(self, role: str, needed: frozenset[str]) -> list[str]:
        """What ``role``, being no superuser, can't do of it; ``needed`` are the extensions in the dump."""
        above = {role} if self.member else {role, self.owner}
        owning = {each.owner for each in self.owned if not each.member}
        others = sorted((owning if self.main_member else {*owning, self.main}) - above)
        words = [f"{role} can't give {name} what it owns of it (GRANT {name} TO {role})" for name in others]
        if not self.member:
            words.append(
                f"{role} can't give it to {self.owner}, which owns the database (GRANT {self.owner} TO {role})"
            )
        made = [
            each.name for each in self.extensions if each.superuser and each.name in needed and each.name != "plpgsql"
        ]
        words += [f"only a superuser can make the extension {name}" for name in made]
        for each in self.settings:
            if not each.free:
                words.append(f"only a superuser can set {each.name}, as the live database does")
            elif each.role not in ("", role) and not self.roles:
                words.append(f"{role} can't set {each.name} for {each.role} (CREATEROLE)")
        if not self.tablespace_free:
            words.append(f"{role} may make nothing in the tablespace {self.tablespace}")
        words += [
            f"{role} can't set the default rights that {each.role} has (GRANT {each.role} TO {role})"
            for each in self.defaults
            if not each.member
        ]
        return list(dict.fromkeys(words))


async def around(ctx: Context, where: Place) -> Around:
    about = (await asked(ctx, where, ABOUT)).each()[0]
    owned = [Owned.model_validate(row) for row in (await asked(ctx, where, OWNERS, most=_MOST)).each()]
    names = [each.owner for each in owned]
    main = max(sorted(set(names)), key=names.count) if names else about["owner"]
    member = next((each.member for each in owned if each.owner == main), about["member"])
    large = await asked(ctx, where, LARGE.replace("@main@", literal(main)), most=_MOST)
    owned += [Owned.model_validate(row) for row in large.each()]
    return Around.model_validate(
        {
            **about,
            "main": main,
            "main_member": member or about["maker"] == main,
            # A new database has a schema public already, whose owner is whoever owns that database.
            "owned": [each for each in owned if each.owner != main or (each.kind, each.name) == ("SCHEMA", "public")],
            "defaults": (await asked(ctx, where, DEFAULTS)).each(),
            "extensions": (await asked(ctx, where, EXTENSIONS)).each(),
        }
    )


def owners(of: Around, maker: str | None, name: str) -> list[str]:
    """Executed in the scratch database, called ``name``: what ``maker`` has made goes to whom it belongs in the live
    one. What is no longer there, or not yet, or is of another kind now is passed over.

    ``maker`` None: the address's role has made it, which may own other databases too. To whom it gives something has to
    be allowed to make it there, so that the database and its schemas go first.
    """
    schemas = [_given(one) for one in of.owned if one.kind == "SCHEMA"]
    each = [_given(one) for one in of.owned if one.kind != "SCHEMA"]
    if maker:
        statements = [f"REASSIGN OWNED BY {quoted(maker)} TO {quoted(of.main)}"]
    else:
        statements = [f"ALTER DATABASE {quoted(name)} OWNER TO {quoted(of.owner)}"]
    statements += [_tolerant(schemas)] if schemas else []
    if not maker and of.maker != of.main:
        statements.append(f"DO {literal(_GIVEN.format(main=literal(quoted(of.main)), owned=OWNERS, large=MINE))}")
    for one in of.defaults:
        begin = f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(one.role)}"
        begin += f" IN SCHEMA {quoted(one.schema_name)}" if one.schema_name else ""
        on = f"ON {_OF[one.what]}"
        if not one.schema_name:
            each += [f"{begin} REVOKE ALL {on} FROM PUBLIC"]
        each += [f"{begin} {grant.words(on)}" for grant in one.grants]
    return statements + [_tolerant(each[start : start + 200]) for start in range(0, len(each), 200)]


def _given(one: Owned) -> str:
    return f"ALTER {one.kind} {one.name} OWNER TO {quoted(one.owner)}"


def _tolerant(statements: list[str]) -> str:
    many = ", ".join(literal(one) for one in statements)
    body = (
        f"DECLARE one text; BEGIN FOREACH one IN ARRAY ARRAY[{many}]::text[] LOOP BEGIN EXECUTE one;"
        " EXCEPTION WHEN undefined_table OR undefined_function OR undefined_object OR invalid_schema_name"
        " OR wrong_object_type OR feature_not_supported THEN NULL;"
        " END; END LOOP; END"
    )
    return f"DO {literal(body)}"


def settled(of: Around, name: str, live: int) -> list[str]:
    """The database itself: its owner, its settings, who may enter. All in one transaction. ``live`` is an OID."""
    named = quoted(name)
    statements = [f"ALTER DATABASE {named} OWNER TO {quoted(of.owner)}"]
    if of.connections != -1:
        statements.append(f"ALTER DATABASE {named} CONNECTION LIMIT {of.connections}")
    if of.settings:
        lists = ", ".join(literal(one) for one in sorted(_QUOTED_LISTS))
        body = _COPIED.format(live=live, name=literal(name), lists=lists)
        statements.append(f"DO {literal(body)}")
    if of.grants is None:
        return [*statements, f"GRANT CONNECT, TEMPORARY ON DATABASE {named} TO PUBLIC"]
    statements.append(f"REVOKE ALL ON DATABASE {named} FROM PUBLIC")
    if not any(grant.to == of.owner for grant in of.grants):
        statements.append(f"REVOKE ALL ON DATABASE {named} FROM {quoted(of.owner)}")
    return statements + [grant.words(f"ON DATABASE {named}") for grant in of.grants]
