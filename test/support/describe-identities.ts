import type { Client } from 'pg';

/** One thing that an identity may do: who, how, and what. */
export interface Power {
  /** A role, a login by its purpose, or PUBLIC. */
  readonly who: string;
  /** What it may do, e.g. `become` or `select`. */
  readonly how: string;
  readonly what: string;
}

/**
 * Everything that the catalog lets these roles and logins do, each thing where it is granted: attributes and settings of a role, roles
 * that it may become, inherits or grants, what it owns, may create, set, execute, read and write; PUBLIC's grants too. Whoever is a
 * member of another role has the powers of that role as well. Left out: what a fresh Postgres gives to everybody in pg_catalog and
 * information_schema, unless it was changed, and what an owner may do with its own.
 *
 * `names` gives a role of the server its name here: logins have other names in other installations. The client is a superuser.
 */
export async function describeIdentities(
  client: Client,
  names: ReadonlyMap<string, string>,
): Promise<Power[]> {
  await client.query('set search_path to pg_catalog');
  const { rows } = await client.query<Power>(query, [[...names.keys()]]);
  const { rows: kept } = await client.query<{ name: string }>(
    `select format('pg_catalog.%I(%s)', proname, oidvectortypes(proargtypes)) as name from pg_proc
     where pronamespace = 'pg_catalog'::regnamespace`,
  );
  const powers = rows.map(({ who, how, what }) => ({
    who: names.get(who) ?? who,
    how,
    what: names.get(what) ?? what,
  }));
  return withFamilies(
    powers,
    kept.map(({ name }) => name),
  );
}

/** Functions of Postgres that are one line where somebody has, or lacks, all of a family. */
const families: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['all of pg_catalog.pg_stat_get_*', /^pg_catalog\.pg_stat_get_/],
  [
    'all of pg_catalog.pg_advisory_*lock*, pg_try_advisory_*',
    /^pg_catalog\.pg_(?:advisory_(?:xact_)?lock|try_advisory_)/,
  ],
  ['all of pg_catalog.lo_*', /^pg_catalog\.lo_/],
];

function withFamilies(powers: readonly Power[], functions: readonly string[]): Power[] {
  let folded = [...powers];
  for (const [name, pattern] of families) {
    // lo_import and lo_export are nobody's from the beginning, so no grant and no withdrawal has them.
    const all = functions.filter((each) => pattern.test(each) && !/lo_(?:im|ex)port/.test(each));
    const holders = new Map<string, Power[]>();
    for (const power of folded.filter(({ what }) => all.includes(what))) {
      const key = `${power.who}\0${power.how}`;
      holders.set(key, [...(holders.get(key) ?? []), power]);
    }
    for (const held of holders.values()) {
      if (held.length !== all.length) continue;
      const [{ who, how }] = held as [Power, ...Power[]];
      folded = [...folded.filter((power) => !held.includes(power)), { who, how, what: name }];
    }
  }
  return folded;
}

/** The powers as text: a heading for each identity and each kind, and a line for each thing. */
export function formatPowers(powers: readonly Power[]): string {
  const lines: string[] = [];
  for (const who of [...new Set(powers.map((power) => power.who))].toSorted(publicFirst)) {
    lines.push(`# ${who}`, '');
    const own = powers.filter((power) => power.who === who);
    for (const how of [...new Set(own.map((power) => power.how))].toSorted()) {
      lines.push(`${how}:`);
      for (const { what } of own.filter((power) => power.how === how).toSorted(byWhat))
        lines.push(`  ${what}`);
      lines.push('');
    }
  }
  return lines.join('\n');
}

/** Reads what `formatPowers` wrote. Lines before the first heading are for people. */
export function parsePowers(text: string): Power[] {
  const powers: Power[] = [];
  let [who, how] = ['', ''];
  for (const line of text.split('\n')) {
    if (line.startsWith('# ')) who = line.slice(2);
    else if (who !== '' && line.startsWith('  ')) powers.push({ who, how, what: line.slice(2) });
    else if (who !== '' && line.endsWith(':')) how = line.slice(0, -1);
  }
  return powers;
}

function publicFirst(a: string, b: string): number {
  return Number(b === 'PUBLIC') - Number(a === 'PUBLIC') || (a < b ? -1 : 1);
}

function byWhat(a: Power, b: Power): number {
  if (a.what === b.what) return 0;
  return a.what < b.what ? -1 : 1;
}

/**
 * Partitions depend on the day: one stands for all of its table. The functions of an extension are one thing. A relation is named with
 * its columns where single columns are granted.
 */
const query = String.raw`
with ours as (
  select r.oid, r.rolname from pg_roles r where r.rolname = any ($1)
),
-- A grantee that is none of ours is a fault too: it is shown by its name.
grantee as (
  select 0::oid as oid, 'PUBLIC' as who
  union all
  select r.oid, r.rolname from pg_roles r where r.oid <> 10
),
relation as (
  select
    c.oid, c.relacl, c.relowner, c.relkind, n.nspname,
    case
      when c.relispartition then format('%I.%I (its partitions)', pn.nspname, p.relname)
      else format('%I.%I', n.nspname, c.relname)
    end as name
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join pg_inherits i on i.inhrelid = c.oid and c.relispartition
  left join pg_class p on p.oid = i.inhparent
  left join pg_namespace pn on pn.oid = p.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_(toast|temp)'
),
routine as (
  select
    p.oid, p.proacl, p.proowner, n.nspname, e.extname,
    format('%I.%I(%s)%s', n.nspname, p.proname, oidvectortypes(p.proargtypes), case when p.prosecdef then ' as ' || p.proowner::regrole else '' end)
      as name
  from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace
  left join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
  left join pg_extension e on e.oid = d.refobjid
),
-- What initdb granted, of what it made.
initial as (
  select i.classoid, i.objoid, i.objsubid, a.grantee, a.privilege_type
  from pg_init_privs i, aclexplode(i.initprivs) a
  where i.privtype = 'i'
),
powers as (
  -- Attributes.
  select r.rolname as who, 'is' as how, a.what
  from pg_roles r
  join ours o on o.oid = r.oid
  cross join lateral (
    values
      (r.rolsuper, 'a superuser'), (r.rolcreaterole, 'allowed to make and alter roles'), (r.rolcreatedb, 'allowed to make databases'),
      (r.rolreplication, 'allowed to replicate: it reads every byte'), (r.rolbypassrls, 'not bound by row-level security'),
      (r.rolcanlogin, 'a login'), (r.rolconnlimit >= 0, 'limited in its connections')
  ) a(has, what)
  where a.has
  union all
  select r.rolname, 'starts with', regexp_replace(setting, '=.*', '')
  from pg_db_role_setting s
  join ours r on r.oid = s.setrole
  cross join unnest(s.setconfig) setting
  where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
  -- Memberships, as they were granted; predefined roles are named here, and Postgres's documentation says what they may do.
  union all
  select m.rolname, h.how, g.rolname
  from pg_auth_members a
  join ours m on m.oid = a.member
  join pg_roles g on g.oid = a.roleid
  cross join lateral (values (a.inherit_option, 'inherits'), (a.set_option, 'becomes'), (a.admin_option, 'gives to others')) h(has, how)
  where h.has
    -- Who makes a login may give it to others. Other tests make logins on the same server.
    and (h.how <> 'gives to others' or g.oid in (select oid from ours) or not g.rolcanlogin)
  -- Ownership, by schema where all in it is one owner's.
  union all
  select distinct o.rolname, 'owns', coalesce(
    case s.classid
      when 'pg_namespace'::regclass then 'schema ' || (select nspname from pg_namespace where oid = s.objid)
      when 'pg_class'::regclass then 'a relation in ' || (select relnamespace::regnamespace::text from pg_class where oid = s.objid)
      when 'pg_proc'::regclass then (
        select case when n.nspowner = s.refobjid then 'functions in ' || n.nspname else r.name end
        from routine r join pg_namespace n on n.nspname = r.nspname where r.oid = s.objid
      )
      when 'pg_type'::regclass then 'types in ' || (select typnamespace::regnamespace::text from pg_type where oid = s.objid)
      when 'pg_database'::regclass then 'this database'
      else 'something in ' || s.classid::regclass::text
    end, 'something that is gone')
  from pg_shdepend s
  join ours o on o.oid = s.refobjid
  where s.deptype = 'o' and s.refclassid = 'pg_authid'::regclass and (
    s.dbid = (select oid from pg_database where datname = current_database())
    or s.classid = 'pg_database'::regclass and s.objid = (select oid from pg_database where datname = current_database())
  )
  -- Rights on this database, on schemas, parameters, languages and the like.
  union all
  select g.who, lower(a.privilege_type), 'this database'
  from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
  join grantee g on g.oid = a.grantee
  where d.datname = current_database() and a.grantee <> d.datdba
  union all
  select g.who, lower(a.privilege_type), 'schema ' || n.nspname
  from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
  join grantee g on g.oid = a.grantee
  where a.grantee <> n.nspowner and n.nspname !~ '^pg_(toast|temp)'
    and not exists (
      select from initial i
      where i.classoid = 'pg_namespace'::regclass and i.objoid = n.oid and i.grantee = a.grantee and i.privilege_type = a.privilege_type
        and n.nspname in ('pg_catalog', 'information_schema')
    )
    and not (n.nspname = 'information_schema' and a.grantee = 0 and a.privilege_type = 'USAGE')
  union all
  select g.who, 'configures', p.parname from pg_parameter_acl p, aclexplode(p.paracl) a join grantee g on g.oid = a.grantee
  -- Parameters are the whole server's, where other databases have roles of their own.
  where a.grantee <> 10 and (a.grantee = 0 or a.grantee in (select o.oid from ours o))
  union all
  select g.who, 'uses the language', l.lanname
  from pg_language l, aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) a join grantee g on g.oid = a.grantee
  where a.grantee <> l.lanowner and l.lanpltrusted
  union all
  select g.who, 'uses the tablespace', t.spcname
  from pg_tablespace t, aclexplode(t.spcacl) a join grantee g on g.oid = a.grantee where a.grantee <> t.spcowner
  union all
  select g.who, 'uses the server', f.srvname
  from pg_foreign_server f, aclexplode(f.srvacl) a join grantee g on g.oid = a.grantee where a.grantee <> f.srvowner
  union all
  select g.who, 'uses the large object', l.oid::text
  from pg_largeobject_metadata l, aclexplode(l.lomacl) a join grantee g on g.oid = a.grantee where a.grantee <> l.lomowner
  union all
  select g.who, 'gets by default', format('%s on %s that %s makes', lower(a.privilege_type),
    case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types' else 'schemas' end, d.defaclrole::regrole)
  from pg_default_acl d, aclexplode(d.defaclacl) a join grantee g on g.oid = a.grantee where a.grantee <> d.defaclrole
  -- Functions: those outside of pg_catalog, and there those whose rights are not those of initdb.
  union all
  select distinct g.who, 'executes', case
    when r.nspname = 'graphile_worker' then 'the functions of graphile_worker, where it may not look'
    when r.extname is not null then 'the functions of the extension ' || r.extname
    else r.name
  end
  from routine r, aclexplode(coalesce(r.proacl, acldefault('f', r.proowner))) a
  join grantee g on g.oid = a.grantee
  where a.grantee <> r.proowner and (
    r.nspname not in ('pg_catalog', 'information_schema')
    or r.proacl is not null and not exists (
      select from initial i
      where i.classoid = 'pg_proc'::regclass and i.objoid = r.oid and i.grantee = a.grantee
    ) and a.grantee <> 0
    or a.grantee = 0 and exists (
      select from initial i where i.classoid = 'pg_proc'::regclass and i.objoid = r.oid
    ) and not exists (
      select from initial i where i.classoid = 'pg_proc'::regclass and i.objoid = r.oid and i.grantee = 0
    )
  )
  -- What initdb gives to everybody, and this database does not.
  union all
  select 'PUBLIC', 'no longer executes', r.name
  from routine r
  where r.nspname = 'pg_catalog' and r.proacl is not null
    and not exists (select from aclexplode(r.proacl) a where a.grantee = 0)
    and (
      not exists (select from initial i where i.classoid = 'pg_proc'::regclass and i.objoid = r.oid)
      or exists (select from initial i where i.classoid = 'pg_proc'::regclass and i.objoid = r.oid and i.grantee = 0)
    )
  union all
  select 'PUBLIC', 'no longer reads', r.name
  from relation r
  join initial i on i.classoid = 'pg_class'::regclass and i.objoid = r.oid and i.objsubid = 0 and i.grantee = 0 and i.privilege_type = 'SELECT'
  where not exists (select from aclexplode(r.relacl) a where a.grantee = 0 and a.privilege_type = 'SELECT')
  -- Relations and columns.
  union all
  select distinct g.who, lower(a.privilege_type), r.name
  from relation r, aclexplode(r.relacl) a
  join grantee g on g.oid = a.grantee
  where a.grantee <> r.relowner and not (r.nspname = 'information_schema' and a.grantee = 0 and a.privilege_type = 'SELECT') and not exists (
    select from initial i
    where i.classoid = 'pg_class'::regclass and i.objoid = r.oid and i.objsubid = 0 and i.grantee = a.grantee
      and i.privilege_type = a.privilege_type
  )
  union all
  select g.who, lower(a.privilege_type), format('%s (%s)', r.name, string_agg(quote_ident(t.attname), ', ' order by t.attname))
  from relation r
  join pg_attribute t on t.attrelid = r.oid and not t.attisdropped
  cross join aclexplode(t.attacl) a
  join grantee g on g.oid = a.grantee
  where a.grantee <> r.relowner and not exists (
    select from initial i
    where i.classoid = 'pg_class'::regclass and i.objoid = r.oid and i.objsubid = t.attnum and i.grantee = a.grantee
      and i.privilege_type = a.privilege_type
  )
  group by g.who, a.privilege_type, r.name, r.oid
)
select distinct who, how, what from powers order by 1, 2, 3`;
