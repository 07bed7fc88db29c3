import { beforeAll, describe, expect, test } from 'vitest';
import { quoteIdentifier } from '../../src/db/statement.ts';
import { nameKey } from '../../src/schema-cache/identifier.ts';
import { loadSchemaCache } from '../../src/schema-cache/load.ts';
import { mediaHandlerKey, representationKey } from '../../src/schema-cache/schema-cache.ts';
import type { SchemaCache } from '../../src/schema-cache/schema-cache.ts';
import { describeOnBoth } from './both-databases.ts';
import { loadEverything, longName, oddSchema, options } from './everything.ts';

const quotedOdd = quoteIdentifier(oddSchema);

describeOnBoth('a snapshot of the catalog', (target) => {
  let cache: SchemaCache;

  beforeAll(async () => {
    cache = await loadEverything(target());
  });

  const table = (name: string, ofSchema = 'api') => cache.tables.get(nameKey(ofSchema, name))!;
  const column = (name: string) => table('types').columns.get(name)!;
  const routines = (name: string) => cache.routines.get(nameKey('api', name))!;
  describe('relations', () => {
    test('are those of the exposed schemas, except for partitions and temporary ones', () => {
      const names =
        'children children_view computed counted events grouped joined key_twice loop_a loop_b loosely_tagged notes of_secret ' +
        'over_hidden over_path parents remote ruled tagged tagged_view tags twins types united without_key';
      expect([...cache.tables.values()].map(({ schema, name }) => `${schema}.${name}`).toSorted()).toEqual(
        [
          ...names.split(' ').map((name) => `api.${name}`),
          `${oddSchema}.{v (iew) \\ " :targetList`,
        ].toSorted(),
      );
    });

    test('tell what can be written, whoever reads the catalog', () => {
      const can = (name: string) => {
        const { isView, insertable, updatable, deletable } = table(name);
        return [isView, insertable, updatable, deletable];
      };
      expect(can('children')).toEqual([false, true, true, true]);
      expect(can('events')).toEqual([false, true, true, true]);
      expect(can('children_view')).toEqual([true, true, true, true]);
      expect(can('computed')).toEqual([true, false, false, false]);
      expect(can('counted')).toEqual([true, false, false, false]);
      expect(can('remote')).toEqual([false, false, false, false]);
    });

    test('have their columns in order, without dropped ones', () => {
      expect([...table('types').columns.keys()].slice(-3)).toEqual(['own', 'builtin', 'Sp ace"d']);
      expect(table('types').comment).toBe('All sorts');
      expect(column('plain').comment).toBe('A plain one');
      expect(table('children').comment).toBeNull();
    });

    test('have their keys in the order of the key', () => {
      expect(table('parents').primaryKey).toEqual(['b', 'a']);
      // Partial indexes, expressions and deferred constraints are no targets of "on conflict".
      expect(table('parents').uniqueKeys).toEqual([['b', 'a'], ['name']]);
      expect(table('events').uniqueKeys).toEqual([['at', 'id']]);
      expect(table('events').primaryKey).toEqual(['at', 'id']);
      expect(table('remote').primaryKey).toEqual([]);
    });
  });

  describe('columns', () => {
    test('tell their types, as clients read them and as casts name them', () => {
      const types = Object.fromEntries(
        [...table('types').columns.values()].map((c) => [c.name, [c.type, c.nominalType, c.maxLength]]),
      );
      expect(types).toEqual({
        id: ['bigint', 'bigint', null],
        always: ['bigint', 'bigint', null],
        serial: ['integer', 'integer', null],
        twice: ['integer', 'integer', null],
        plain: ['integer', 'integer', null],
        words: ['character varying', 'character varying(20)', 20],
        letters: ['character', 'character(3)', 3],
        bits: ['bit', 'bit(4)', 4],
        price: ['numeric[]', 'numeric(10,2)[]', null],
        at: ['timestamp with time zone', 'timestamp(3) with time zone', null],
        mood: ['hidden.mood', 'hidden.mood', null],
        happy: ['hidden.happy', 'hidden.happy', null],
        shorter: ['character varying', 'hidden.shorter', 5],
        long: [`${quotedOdd}.${longName}[]`, `${quotedOdd}.${longName}[]`, null],
        own: ['api.text', 'api.text', null],
        builtin: ['text', 'text', null],
        'Sp ace"d': ['interval', 'interval day to second', null],
      });
    });

    test('have types that mean the same under any search path', async () => {
      for (const { name, nominalType } of table('types').columns.values()) {
        // The values are in an array, because some domains refuse null.
        const array = nominalType.endsWith('[]') ? nominalType : `${nominalType}[]`;
        for (const path of ['api', quotedOdd, 'pg_temp']) {
          const { rows } = await target().database.queryWith(
            { search_path: path },
            {
              text: `select pg_typeof(null::${array})::oid in (t.oid, t.typarray) as same
                     from pg_attribute a join pg_type t on t.oid = a.atttypid
                     where a.attrelid = 'api.types'::regclass and a.attname = $1`,
              values: [name],
            },
          );
          expect([name, path, rows]).toEqual([name, path, [{ same: true }]]);
        }
      }
    });

    test('tell their defaults, and whether they accept a value at all', () => {
      const defaults = Object.fromEntries(
        [...table('types').columns.values()]
          .filter((c) => c.defaultExpression !== null || c.generated)
          .map((c) => [c.name, [c.defaultExpression, c.generated]]),
      );
      expect(defaults).toEqual({
        id: [`nextval('api.types_id_seq')`, false],
        always: [null, true],
        serial: [`nextval('api.types_serial_seq'::regclass)`, false],
        twice: [null, true],
        words: [`'a''b'::character varying`, false],
        at: ['now()', false],
        happy: [`'Ok'::hidden.mood`, false],
      });
    });

    test('are nullable or not, by themselves or by their domain', () => {
      expect([...table('types').columns.values()].filter((c) => !c.nullable).map((c) => c.name)).toEqual([
        'id',
        'always',
        'serial',
        'price',
      ]);
    });

    test('have the labels of enums, and of domains over enums', () => {
      expect(column('mood').enumLabels).toEqual(['sad', 'Ok', 'very "happy"']);
      expect(column('happy').enumLabels).toEqual(['sad', 'Ok', 'very "happy"']);
      expect(column('plain').enumLabels).toEqual([]);
    });
  });

  describe('routines', () => {
    test('are the functions of the exposed schemas that requests can call', () => {
      const names = 'anything body configured get_child many nothing one_out outs plain plain shout tabular';
      expect(
        [...cache.routines.values()]
          .flat()
          .map(({ name }) => name)
          .toSorted(),
      ).toEqual(names.split(' '));
    });

    test('have their parameters, fewer first', () => {
      expect(routines('plain').map((r) => [r.comment, r.volatility, r.parameters])).toEqual([
        [null, 'volatile', [parameter('a', 'integer')]],
        [
          'Adds nothing',
          'immutable',
          [
            parameter('a', 'integer'),
            parameter('b', 'text', { required: false }),
            parameter('c', 'bit', { typeWithoutLength: 'bit varying', required: false }),
          ],
        ],
      ]);
      expect(routines('many')[0]).toMatchObject({
        isVariadic: true,
        parameters: [parameter('list', 'hidden.short[]', { variadic: true })],
      });
      expect(routines('outs')[0]!.parameters).toEqual([parameter('n', 'integer'), parameter('m', 'integer')]);
      expect(routines('body')[0]!.parameters).toEqual([parameter('', 'json')]);
    });

    test('state their return type', () => {
      const returns = (name: string) => {
        const { setOf, composite, compositeAlias, type } = routines(name)[0]!.returns;
        return [setOf && 'set', composite && 'composite', compositeAlias && 'alias', type.schema, type.name]
          .filter((part) => part !== false)
          .join(' ');
      };
      expect(returns('plain')).toBe('pg_catalog int4');
      expect(returns('many')).toBe('set hidden mood');
      expect(returns('outs')).toBe('composite pg_catalog record');
      expect(returns('one_out')).toBe('composite pg_catalog int4');
      expect(returns('tabular')).toBe('set composite pg_catalog record');
      expect(returns('nothing')).toBe('pg_catalog void');
      expect(returns('get_child')).toBe('composite alias api children');
    });

    test('have the settings of their transaction, and its isolation level separately', () => {
      expect(routines('configured')[0]).toMatchObject({
        isolationLevel: 'serializable',
        settings: [['statement_timeout', '7s']],
      });
      expect(routines('plain')[0]).toMatchObject({ isolationLevel: null, settings: [] });
    });
  });

  test('representations are implicit casts by function between domains and json or text', () => {
    expect([...cache.representations].filter(([key]) => key.includes('api.'))).toEqual(
      expect.arrayContaining([
        [representationKey('api.color', 'json'), 'hidden."to Json"'],
        [representationKey('text', 'api.color'), 'hidden.from_text'],
      ]),
    );
    expect(cache.representations.has(representationKey('api.color', 'text'))).toBe(false);
  });

  test('media handlers are aggregates over rows and functions, beside the built-in ones', () => {
    const handler = (schema: string | null, name: string | null, type: string) =>
      cache.mediaHandlers.get(mediaHandlerKey(schema === null ? null : { schema, name: name! }, type));
    const custom = (
      functionSchema: string,
      name: string,
      of: readonly [string, string] | null,
      bytes = false,
    ) => ({
      kind: 'custom',
      function: { schema: functionSchema, name },
      target: of && { schema: of[0], name: of[1] },
      bytes,
    });
    expect(handler('api', 'children', 'application/x-one')).toEqual({
      handler: custom('api', 'one_agg', ['api', 'children'], true),
      mediaType: 'application/x-one',
    });
    expect(handler(null, null, 'text/csv')).toEqual({
      handler: custom('api', 'csv_agg', null),
      mediaType: 'text/csv',
    });
    expect(handler('api', 'shout', 'text/upper')).toEqual({
      handler: custom('api', 'Text/Upper', ['api', 'shout']),
      mediaType: 'text/upper',
    });
    expect(handler('api', 'anything', '*/*')).toMatchObject({ mediaType: 'application/octet-stream' });
    expect(handler(null, null, '*/*')).toEqual({ handler: { kind: 'json' }, mediaType: 'application/json' });
    expect(handler(null, null, 'application/geo+json')).toMatchObject({ handler: { kind: 'geojson' } });
    expect(cache.mediaHandlers.size).toBe(4 + 3);
  });

  test('settings of roles are those that the login may set itself', async () => {
    await target().run(`
      create role schema_cache_test_role;
      alter role schema_cache_test_role set statement_timeout = '3s';
      alter role schema_cache_test_role set default_transaction_isolation = 'repeatable read';
      alter role schema_cache_test_role set search_path = 'a, b', 'c';
    `);
    try {
      const { roleSettings } = await loadSchemaCache(target().database, options);
      expect(roleSettings.get('schema_cache_test_role')).toEqual({
        isolationLevel: 'repeatable read',
        settings: [
          ['statement_timeout', '3s'],
          ['search_path', '"a, b", c'],
        ],
      });
    } finally {
      await target().run('drop role schema_cache_test_role');
    }
  });

  test('a missing schema is named', async () => {
    await expect(
      loadSchemaCache(target().database, { ...options, schemas: ['api', 'Not "there"', 'nor this'] }),
    ).rejects.toThrow(/"Not ""there""", "nor this"/);
  });

  test('leaves the connection as it was', async () => {
    const settings = () =>
      target().database.query({
        text: `select current_setting('search_path') as path, current_setting('transaction_read_only') as read_only`,
      });
    const before = await settings();
    await loadSchemaCache(target().database, options);
    expect(await settings()).toEqual(before);
  });

  test('of 1,000 tables is read in seconds', async () => {
    await target().run(`
      create schema large;
      do $$ begin
        for n in 1..1000 loop
          execute format(
            'create table large.t_%s (id int primary key, parent int %s, a text, b text, c jsonb, d numeric(9,2), e date)',
            n, case when n > 1 then format('references large.t_%s', n - 1) end);
          if n % 10 = 0 then
            execute format('create view large.v_%s as select t.*, p.a as pa from large.t_%s t join large.t_%s p on p.id = t.parent', n, n, n - 1);
          end if;
        end loop;
      end $$`);
    const started = performance.now();
    const large = await loadSchemaCache(target().database, { ...options, schemas: ['large'] });
    const elapsed = performance.now() - started;
    expect(large.tables.size).toBe(1_100);
    expect([...large.relationships.values()].flat().length).toBeGreaterThan(2_000);
    expect(elapsed).toBeLessThan(10_000);
  }, 60_000);
});

function parameter(name: string, type: string, other: object = {}) {
  return { name, type, typeWithoutLength: type, required: true, variadic: false, ...other };
}
