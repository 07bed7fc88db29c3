import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { startApp, testToken } from '../../support/app.ts';
import type { RunningApp } from '../../support/app.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters: unknown[];
  readonly responses: Readonly<Record<string, unknown>>;
}

interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly description?: string };
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<
      Record<string, { readonly properties: Readonly<Record<string, unknown>>; readonly required?: string[] }>
    >;
  };
}

describe.each(apiTargets)('the OpenAPI document on the %s database', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;

  beforeAll(async () => {
    target = await open();
    await target.admin.query(`
      create table app_public."odd ""näme"" {x}" ("select" integer primary key, "ord er" text default 'it''s', labels text[]);
      comment on table app_public."odd ""näme"" {x}" is E'@behavior -*\\nOdd.\\nMore of it.';
      grant select on app_public."odd ""näme"" {x}" to public;
      create function app_public.sum_of(variadic numbers integer[]) returns bigint
        language sql immutable as 'select sum(n) from unnest(numbers) n';
      create function app_public.shout(text) returns text language sql volatile as 'select upper($1)';
      create function app_public.hidden() returns text language sql as $$select 'x'$$;
      revoke execute on function app_public.hidden() from public;
      grant execute on function app_public.sum_of(integer[]), app_public.shout(text) to public;`);
    app = await startApp(target.database);
  }, 60_000);
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const documentFor = async (token: string | null, accept = 'application/openapi+json') => {
    const response = await fetch(`${app.url}/rest/v1/`, {
      headers: { accept, ...(token !== null && { authorization: `Bearer ${token}` }) },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/openapi+json; charset=utf-8');
    return (await response.json()) as OpenApiDocument;
  };

  test('is valid OpenAPI 3.1 for every caller and every media type', async () => {
    for (const token of [
      null,
      await testToken('member'),
      await testToken('service'),
      await testToken('admin'),
    ]) {
      for (const accept of ['application/openapi+json', 'application/json', '*/*']) {
        const document = await documentFor(token, accept);
        expect(await new Validator().validate({ ...document })).toMatchObject({ valid: true });
        expect(document.openapi).toBe('3.1.1');
      }
    }
  });

  test('has the paths, methods and columns that the caller may use', async () => {
    const ofAnonymous = await documentFor(null);
    expect(Object.keys(ofAnonymous.paths)).not.toContain('/agents');
    const ofMember = await documentFor(await testToken('member'));
    expect(Object.keys(ofMember.paths['/tasks'] ?? {})).toEqual(['get', 'post', 'patch', 'delete']);
    // Tenants cannot be inserted by REST.
    expect(Object.keys(ofMember.paths['/tenants'] ?? {})).toEqual(['get']);
    const writable = (document: OpenApiDocument) =>
      Object.keys(document.components.schemas['tasks.insert']?.properties ?? {});
    // Only programs insert history along with them.
    expect(writable(ofMember)).not.toContain('created_at');
    expect(writable(await documentFor(await testToken('service')))).toContain('created_at');
    expect(Object.keys(ofMember.paths)).toContain('/rpc/sum_of');
    expect(Object.keys(ofMember.paths)).not.toContain('/rpc/hidden');
  });

  test('an insert has to give what neither a default nor null stands in for', async () => {
    const { components } = await documentFor(await testToken('admin'));
    const required = (name: string) => components.schemas[name]?.required ?? [];
    expect(required('agents.insert')).toEqual(['id', 'name', 'model']);
    expect(required('tasks.insert')).toEqual(['description']);
    expect(required('tasks.update')).toEqual([]);
    expect(components.schemas['tasks.insert']?.properties['status']).toMatchObject({
      description: expect.stringContaining("Default: `'pending'::character varying`"),
    });
    // Generators of code take a property with a default for one that is always given.
    const defaults = Object.entries(components.schemas).flatMap(([name, { properties }]) =>
      Object.entries(properties)
        .filter(([, schema]) => 'default' in Object(schema))
        .map(([column]) => `${name}.${column}`),
    );
    expect(defaults).toEqual([]);
  });

  test('a row without select has all columns that the caller may read', async () => {
    const { components } = await documentFor(await testToken('member'));
    const tasks = components.schemas['tasks'];
    expect(tasks?.required).toEqual(Object.keys(tasks?.properties ?? {}));
  });

  test('no schema leaves the type of its values open', async () => {
    const { paths, components } = await documentFor(await testToken('admin'));
    expect(untyped(components.schemas, 'schemas')).toEqual([]);
    expect(untyped(paths, 'paths')).toEqual([]);
  });

  test('every operation has an id of its own, and says how it is refused', async () => {
    for (const token of [null, await testToken('member'), await testToken('admin')]) {
      const { paths } = await documentFor(token);
      const operations = Object.values(paths).flatMap((path) => Object.values(path));
      const ids = operations.map(({ operationId }) => operationId);
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.filter((id) => !/^[a-z]+_[\w.-]+$/.test(id))).toEqual([]);
      const refusals = operations.map(({ responses }) =>
        Object.keys(responses).filter((status) => status.startsWith('4')),
      );
      expect(refusals.filter((statuses) => statuses.length < 4)).toEqual([]);
    }
    const { paths } = await documentFor(await testToken('member'));
    expect(Object.values(paths['/tasks'] ?? {}).map(({ operationId }) => operationId)).toEqual([
      'read_tasks',
      'insert_tasks',
      'update_tasks',
      'delete_tasks',
    ]);
    expect(paths['/rpc/sum_of']).toMatchObject({
      get: { operationId: 'query_sum_of' },
      post: { operationId: 'call_sum_of' },
    });
  });

  test('uses the words of the comments, without smart tags', async () => {
    const { paths, components, info } = await documentFor(await testToken('member'));
    expect(info.title).toBe('Agent Lightning DB');
    expect(info.description).toContain('confined to one tenant by row-level security');
    expect(paths['/agents']?.['get']).toMatchObject({
      summary: 'An AI agent: who it is, which model it runs on and how it is set up.',
    });
    expect(components.schemas['tasks']?.properties['agent_id']).toEqual({
      type: ['string', 'null'],
      maxLength: 50,
      description: 'The agent that should do it; null: any agent, or the agent was removed.',
    });
    expect(paths['/odd%20%22n%C3%A4me%22%20%7Bx%7D']?.['get']).toMatchObject({
      summary: 'Odd.',
      description: 'More of it.',
    });
  });

  test('a column with the name of a parameter does not hide the parameter', async () => {
    const { paths } = await documentFor(await testToken('member'));
    const parameters = paths['/odd%20%22n%C3%A4me%22%20%7Bx%7D']?.['get']?.parameters;
    expect(parameters).toContainEqual({ $ref: '#/components/parameters/select' });
  });

  test('functions that write are called by POST only, and arguments are described', async () => {
    const { paths } = await documentFor(await testToken('member'));
    expect(Object.keys(paths['/rpc/shout'] ?? {})).toEqual(['post']);
    expect(paths['/rpc/shout']?.['post']).toMatchObject({
      requestBody: { content: { 'text/plain': { schema: { type: 'string' } } } },
    });
    expect(paths['/rpc/sum_of']?.['get']?.parameters).toEqual([
      expect.objectContaining({ name: 'numbers', in: 'query', required: true }),
    ]);
  });

  test('states the address of the API', async () => {
    expect((await documentFor(null)).servers).toEqual([{ url: `${app.url}/rest/v1` }]);
  });

  test('a browser gets a page that loads everything from this server', async () => {
    const page = await fetch(`${app.url}/rest/v1/`, {
      headers: { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' },
    });
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const html = await page.text();
    const loaded = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url = '']) => url);
    expect(loaded).toHaveLength(4);
    for (const url of loaded) {
      expect(url).toMatch(/^\/rest\/v1\/\.reference\//);
      const file = await fetch(app.url + url);
      expect([file.status, (await file.text()).length > 0]).toEqual([200, true]);
    }
    expect((await fetch(`${app.url}/rest/v1/.reference/package.json`)).status).toBe(404);
  });
});

/** The places of schemas without a type, below the keys that OpenAPI has for schemas. */
function untyped(value: unknown, place: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((each, index) => untyped(each, `${place}/${index}`));
  return Object.entries(value).flatMap(([key, each]) => {
    const isSchema = key === 'schema' || place.endsWith('/properties');
    const named = typeof each === 'object' && each !== null ? Object.keys(each) : [];
    const open = isSchema && !named.some((name) => ['type', '$ref', 'oneOf', 'anyOf'].includes(name));
    return [...(open ? [`${place}/${key}`] : []), ...untyped(each, `${place}/${key}`)];
  });
}
