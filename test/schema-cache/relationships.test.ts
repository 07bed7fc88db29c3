import { beforeAll, describe, expect, test } from 'vitest';
import { nameKey } from '../../src/schema-cache/identifier.ts';
import type { Relationship } from '../../src/schema-cache/relationship.ts';
import { relationshipKey } from '../../src/schema-cache/schema-cache.ts';
import type { SchemaCache } from '../../src/schema-cache/schema-cache.ts';
import { describeOnBoth } from './both-databases.ts';
import { loadEverything, oddSchema } from './everything.ts';

describeOnBoth('relationships of a snapshot', (target) => {
  let cache: SchemaCache;

  beforeAll(async () => {
    cache = await loadEverything(target());
  });

  const table = (name: string, ofSchema = 'api') => cache.tables.get(nameKey(ofSchema, name))!;
  const between = (name: string, foreignName: string, schemas: readonly [string, string] = ['api', 'api']) =>
    (cache.relationships.get(relationshipKey({ schema: schemas[0], name }, schemas[1])) ?? [])
      .filter((r) => r.foreignTable.name === foreignName)
      .map(briefly);

  describe('foreign keys', () => {
    test('lead both ways, with columns in pairs', () => {
      expect(between('children', 'parents')).toEqual(['many-to-one children_parent parent_b=b parent_a=a']);
      expect(between('parents', 'children')).toEqual(['one-to-many children_parent b=parent_b a=parent_a']);
    });

    test('on a unique key are one to one', () => {
      expect(between('twins', 'children')).toEqual(['one-to-one twins_id_fkey id=id']);
      expect(between('children', 'twins')).toEqual(['one-to-one twins_id_fkey id=id parent']);
    });

    test('to the same table lead both ways too', () => {
      expect(between('children', 'children').filter((r) => r.endsWith(' self'))).toEqual([
        'one-to-many children_friend id=friend self',
        'many-to-one children_friend friend=id self',
      ]);
    });

    test('from and to partitioned tables are listed once', () => {
      expect(between('events', 'children')).toEqual(['many-to-one events_child_fkey child=id']);
      expect(between('notes', 'events')).toEqual([
        'many-to-one notes_event_at_event_id_fkey event_at=at event_id=id',
      ]);
      expect(between('children', 'events_2026')).toEqual([]);
    });

    test('to and from relations that are not exposed are left out', () => {
      expect([...cache.relationships.keys()].filter((key) => key.includes('hidden'))).toEqual([]);
      expect(
        [...cache.relationships.values()].flat().filter((r) => r.foreignTable.schema === 'hidden'),
      ).toEqual([]);
    });
  });

  describe('junctions', () => {
    test('are exposed tables and views whose primary key includes both foreign keys', () => {
      expect(between('tags', 'children').filter((r) => r.startsWith('many'))).toEqual([
        'many-to-many tagged tagged_tag_fkey tagged_child_fkey id=tag id=child',
        'many-to-many tagged_view tagged_tag_fkey tagged_child_fkey id=tag id=child',
      ]);
    });
  });

  describe('views', () => {
    test('have the keys of their base tables, under their own names', () => {
      expect(table('children_view').primaryKey).toEqual(['child']);
      expect(between('children_view', 'parents')).toEqual(['many-to-one children_parent b=b a=a view>']);
      expect(between('twins', 'children_view')).toEqual(['one-to-one twins_id_fkey id=child >view']);
      expect(between('children_view', 'joined')).toEqual(['many-to-one children_parent b=b a=a view>view']);
    });

    test('that show only a part of a key do not have it', () => {
      expect(table('without_key').primaryKey).toEqual([]);
      expect(between('without_key', 'parents')).toEqual([]);
    });

    test('that show a key twice have a relationship by each, and the first as primary key', () => {
      expect(table('key_twice').primaryKey).toEqual(['one']);
      expect(between('twins', 'key_twice')).toEqual([
        'one-to-one twins_id_fkey id=one >view',
        'one-to-one twins_id_fkey id=other >view',
      ]);
      expect(between('key_twice', 'key_twice')).toEqual([
        'one-to-many children_friend one=friend self view>view',
        'one-to-many children_friend other=friend self view>view',
        'many-to-one children_friend friend=one self view>view',
        'many-to-one children_friend friend=other self view>view',
      ]);
    });

    test('over views of the search path have keys, but not over views elsewhere', () => {
      expect(table('over_path').primaryKey).toEqual(['id']);
      expect(between('over_path', 'parents')).toEqual(['many-to-one children_parent pb=b pa=a view>']);
      expect(table('over_hidden').primaryKey).toEqual([]);
      expect(between('over_hidden', 'parents')).toEqual([]);
    });

    test('over tables that are not exposed have keys', () => {
      expect(table('of_secret').primaryKey).toEqual(['id']);
      expect(between('of_secret', 'children')).toEqual(['many-to-one secrets_child_fkey child=id view>']);
    });

    test('are followed through everything between their columns and the table', () => {
      expect(table('counted').primaryKey).toEqual(['id']);
      expect(between('counted', 'parents')).toEqual([
        'many-to-one children_parent parent_b=b parent_a=a view>',
      ]);
      expect(between('grouped', 'parents')).toEqual([
        'many-to-one children_parent parent_b=b parent_a=a view>',
      ]);
      expect(table('grouped').primaryKey).toEqual([]);
    });

    test('have the keys of every table that they join', () => {
      expect(table('joined').primaryKey).toEqual(['id', 'b', 'a']);
    });

    test('do not have keys when their columns come from several places or from nowhere', () => {
      expect(table('united').primaryKey).toEqual([]);
      expect(between('united', 'parents')).toEqual([]);
      expect(table('computed').primaryKey).toEqual([]);
      expect(table('loop_a').primaryKey).toEqual([]);
    });

    test('are told apart from their rules that write', () => {
      expect(table('ruled').primaryKey).toEqual(['id']);
      expect(between('ruled', 'tagged')).toEqual(
        between('key_twice', 'tagged')
          .slice(0, 1)
          .map((r) => r.replace('one=', 'id=')),
      );
    });

    test('may have names that look like the catalog’s own text', () => {
      const name = '{v (iew) \\ " :targetList';
      expect(table(name, oddSchema).primaryKey).toEqual([':resorigtbl 5 :resorigcol 6']);
      expect(between(name, 'parents', [oddSchema, 'api'])).toEqual([
        'many-to-one children_parent <b>=b 9 a=a view>',
      ]);
      expect(between(name, 'children', [oddSchema, 'api'])).toContain(
        'many-to-one children_friend } :resno 3 {=id view>',
      );
    });
  });

  describe('computed relationships', () => {
    test('are functions from a row to rows, of an exposed schema', () => {
      expect(between('children', 'tags')).toEqual(['computed api.tags']);
      expect(between('children', 'children')).toContain('computed api.self');
    });

    test('lead to one row when they say so', () => {
      const own = cache.relationships
        .get(relationshipKey({ schema: 'api', name: 'children' }, 'api'))!
        .filter((r) => r.kind === 'computed');
      expect(own.map((r) => [r.function.name, r.toOne, r.isSelf])).toEqual([
        ['only_friend', true, true],
        ['self', true, true],
        ['tags', false, false],
      ]);
    });

    test("replace the foreign keys' relationships to a table of the same name", () => {
      expect(between('children', 'tags').filter((r) => r.startsWith('many-to-many'))).toEqual([]);
      expect(between('tags', 'children').filter((r) => r.startsWith('many-to-many'))).toHaveLength(2);
    });
  });
});

/** A relationship as one line. */
function briefly(relationship: Relationship): string {
  if (relationship.kind === 'computed') {
    return `computed ${relationship.function.schema}.${relationship.function.name}`;
  }
  const { cardinality, isSelf, tableIsView, foreignTableIsView } = relationship;
  const pairs = (columns: readonly (readonly [string, string])[]) => columns.map((pair) => pair.join('='));
  const how =
    cardinality.kind === 'many-to-many'
      ? [
          cardinality.junction.table.name,
          cardinality.junction.sourceConstraint,
          cardinality.junction.targetConstraint,
          ...pairs(cardinality.junction.sourceColumns),
          ...pairs(cardinality.junction.targetColumns),
        ]
      : [
          cardinality.constraint,
          ...pairs(cardinality.columns),
          ...(cardinality.kind === 'one-to-one' && cardinality.isParent ? ['parent'] : []),
        ];
  const views = `${tableIsView ? 'view' : ''}>${foreignTableIsView ? 'view' : ''}`;
  return [cardinality.kind, ...how, ...(isSelf ? ['self'] : []), ...(views === '>' ? [] : [views])].join(' ');
}
