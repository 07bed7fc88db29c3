import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RequestRole } from '../../src/auth/claims.ts';
import { accessEntries } from '../support/access-entries.ts';
import type { AccessEntry } from '../support/access-entries.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { other, own } from '../support/tenants.ts';
import { fillTables } from '../support/two-tenants.ts';

const verbs = ['select', 'insert', 'update', 'delete'] as const;
type Verb = (typeof verbs)[number];
const requesters = ['anon', 'member', 'service', 'admin'] as const;
type Requester = (typeof requesters)[number];

/** The tables and views that the doors show. */
const shown = accessEntries.filter(({ name }) => name.startsWith('app_public.'));

/** Whether the entry says that the role reaches rows with the verb: what test/db/tenancy finds over SQL has to hold at every door. */
function may({ reaches }: AccessEntry, role: Requester, verb: Verb): boolean {
  const line = reaches
    .split('\n')
    .map((text) => text.trim().split(/ {2,}/))
    .find(([actor]) => actor === role);
  return (line?.[verbs.indexOf(verb) + 1] ?? '-') !== '-';
}

interface Schema {
  readonly schema: {
    readonly root: {
      readonly fields: readonly { readonly name: string; readonly type: { readonly name: string | null } }[];
    };
  };
}

/** A change that a caller of its own tenant could make, by table. */
const patches: Readonly<Record<string, string>> = {
  agents: 'name: "x"',
  tasks: 'description: "x"',
  workflows: 'name: "x"',
  knowledge: 'content: "x"',
  sessions: 'expiresAt: "2100-01-01T00:00:00Z"',
};

describe.each(apiTargets)('the doors of the API, %s', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let tokens: Readonly<Record<Requester, string | null>>;

  beforeAll(async () => {
    target = await open();
    await fillTables(target.admin, target.database);
    await target.admin.query(
      "insert into app_public.knowledge (tenant_id, id, content) values ($1, 'only_here', 'theirs')",
      [other],
    );
    app = await startApp(target.database);
    const token = (role: RequestRole) => testToken(role, own);
    tokens = {
      anon: null,
      member: await token('member'),
      service: await token('service'),
      admin: await token('admin'),
    };
  }, 120_000);
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const cells = (verb: Verb) =>
    shown.flatMap((entry) => requesters.map((role) => ({ entry, role, says: may(entry, role, verb) })));
  const rest = (role: Requester, path: string, method = 'GET', body?: unknown) =>
    fetch(`${app.url}/rest/v1/${path}`, {
      method,
      headers: {
        'content-type': 'application/json',
        prefer: 'count=exact',
        ...(tokens[role] === null ? {} : { authorization: `Bearer ${tokens[role]}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const fieldsOf = async (of: 'queryType' | 'mutationType') => {
    const { data } = await app.graphql(
      tokens.service,
      `{ schema: __schema { root: ${of} { fields { name type { name } } } } }`,
    );
    return (data as unknown as Schema).schema.root.fields;
  };
  const squeezed = (entry: AccessEntry) => bare(entry).replaceAll('_', '');
  const bare = ({ name }: AccessEntry) => name.replace('app_public.', '');
  const tenantOf = ({ tenantColumn = 'tenant_id' }: AccessEntry) => tenantColumn;
  /** What nobody's request may change: every row of the other tenant. */
  const othersRows = async () => {
    const found: Record<string, string> = {};
    for (const entry of shown.filter(({ countedIn }) => countedIn === undefined)) {
      const { rows } = await target.admin.query(
        `select count(*) || ' ' || coalesce(sum(hashtext(t::text)::bigint), 0) as digest from ${entry.name} t where ${tenantOf(entry)} = $1`,
        [other],
      );
      found[entry.name] = rows[0].digest;
    }
    return found;
  };
  /** Differences between what the entries say and what came, as lines. */
  const differences = (
    outcomes: readonly { readonly what: string; readonly says: string; readonly came: string }[],
  ) =>
    outcomes
      .filter(({ says, came }) => says !== came)
      .map(({ what, says, came }) => `${what}: expected ${says}, got ${came}`);

  test('GraphQL shows to each role its own rows, of exactly the tables that the entries name', async () => {
    const fields = (await fieldsOf('queryType')).filter(({ type }) => type.name?.endsWith('Connection'));
    const fieldOf = (entry: AccessEntry) =>
      fields.find(({ type }) => type.name?.toLowerCase() === `${squeezed(entry)}connection`)?.name ??
      fields.find(({ name }) => name.toLowerCase() === squeezed(entry))?.name;
    expect(shown.filter((entry) => fieldOf(entry) === undefined).map(bare)).toEqual([]);
    const outcomes = [];
    for (const { entry, role, says } of cells('select')) {
      const field = fieldOf(entry) ?? '';
      const { rows } = await target.admin.query(
        `select count(*)::int as count from ${entry.countedIn ?? entry.name} where ${tenantOf(entry)} = $1`,
        [own],
      );
      const answer = await app.graphql(tokens[role], `{ ${field} { totalCount } }`);
      const found = (answer.data as unknown as Record<string, { totalCount: number } | null> | null)?.[field];
      outcomes.push({
        what: `${role} ${field}`,
        says: says ? String(rows[0].count) : 'refused',
        came: answer.errors || !found ? 'refused' : String(found.totalCount),
      });
    }
    expect(outcomes.length).toBeGreaterThan(20);
    expect(differences(outcomes)).toEqual([]);
  }, 120_000);

  test('GraphQL changes and deletes no row of another tenant, whose id the caller knows', async () => {
    const before = await othersRows();
    const mutations = new Set((await fieldsOf('mutationType')).map(({ name }) => name));
    let tried = 0;
    for (const table of ['agents', 'tasks', 'workflows', 'knowledge', 'sessions']) {
      const { rows } = await target.admin.query<{ id: string }>(
        `select id::text from app_public.${table} where tenant_id = $1 and id not in (select id from app_public.${table} where tenant_id = $2)`,
        [other, own],
      );
      const id = JSON.stringify(rows[0]!.id);
      const type = `${table[0]!.toUpperCase()}${table.slice(1)}`.replace(/s$/, '');
      for (const mutation of [`update${type}`, `delete${type}`].filter((name) => mutations.has(name))) {
        const patch = mutation.startsWith('update') ? `, patch: { ${patches[table]} }` : '';
        for (const role of requesters) {
          const { data, errors } = await app.graphql(
            tokens[role],
            `mutation { ${mutation}(input: { id: ${id}${patch} }) { clientMutationId } }`,
          );
          expect(errors, `${role} ${mutation} ${id}: ${JSON.stringify(data)}`).toBeDefined();
          tried += 1;
        }
      }
    }
    expect(tried).toBeGreaterThan(20);
    expect(await othersRows()).toEqual(before);
  }, 120_000);

  test('REST shows to each role its own rows, of exactly the tables that the entries name', async () => {
    const outcomes = [];
    for (const { entry, role, says } of cells('select')) {
      const response = await rest(role, `${bare(entry)}?select=${tenantOf(entry)}&limit=1000`);
      const tenants = response.ok
        ? [
            ...new Set(
              ((await response.json()) as Record<string, string>[]).map((row) => row[tenantOf(entry)]),
            ),
          ]
        : [];
      outcomes.push({
        what: `${role} GET ${bare(entry)}`,
        says: says ? `200 ${own}` : 'refused',
        came: [401, 403].includes(response.status) ? 'refused' : `${response.status} ${tenants.join(' ')}`,
      });
    }
    expect(outcomes).toHaveLength(shown.length * requesters.length);
    expect(differences(outcomes)).toEqual([]);
  }, 120_000);

  test('REST changes and deletes nothing of another tenant, and refuses the verb where the entries do', async () => {
    const before = await othersRows();
    const outcomes = [];
    for (const [method, verb] of [
      ['PATCH', 'update'],
      ['DELETE', 'delete'],
    ] as const) {
      for (const { entry, role, says } of cells(verb)) {
        const body = verb === 'update' ? await bodyOf(entry.set) : undefined;
        const response = await rest(role, `${bare(entry)}?${tenantOf(entry)}=eq.${other}`, method, body);
        const changed = response.headers.get('content-range')?.split('/')[1] ?? '';
        await response.text();
        outcomes.push({
          what: `${role} ${method} ${bare(entry)}`,
          says: says ? 'no row' : 'refused',
          came: [401, 403].includes(response.status)
            ? 'refused'
            : response.ok && changed === '0'
              ? 'no row'
              : `${response.status} ${changed}`,
        });
      }
    }
    expect(outcomes).toHaveLength(2 * shown.length * requesters.length);
    expect(differences(outcomes)).toEqual([]);
    expect(await othersRows()).toEqual(before);
  }, 120_000);

  test('REST inserts nothing into another tenant', async () => {
    const before = await othersRows();
    const outcomes = [];
    for (const { entry, role } of cells('insert')) {
      const [, columns, values] = /^\(([^)]*)\)\s*values\s*\(([\s\S]*)\)$/.exec(entry.insert) ?? [];
      if (columns === undefined) continue;
      const { rows } = await target.admin.query<{ body: object }>(
        `select to_jsonb(v) as body from (values (${values!.replaceAll('$1', '$1::text')})) v(${columns})`,
        values!.includes('$1') ? [other] : [],
      );
      const response = await rest(role, bare(entry), 'POST', rows[0]?.body);
      await response.text();
      outcomes.push({
        what: `${role} POST ${bare(entry)}`,
        says: 'refused',
        came: [401, 403].includes(response.status) ? 'refused' : String(response.status),
      });
    }
    expect(outcomes.length).toBeGreaterThan(20);
    expect(differences(outcomes)).toEqual([]);
    expect(await othersRows()).toEqual(before);
  }, 120_000);

  /** `name = 'x'` as a body of REST. */
  async function bodyOf(set: string): Promise<unknown> {
    const [, column = '', value = ''] = /^(\w+) = (.*)$/s.exec(set) ?? [];
    const { rows } = await target.admin.query(`select jsonb_build_object($1::text, ${value}) as body`, [
      column,
    ]);
    return rows[0].body;
  }
});
