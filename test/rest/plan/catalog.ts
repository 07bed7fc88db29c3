import { nameKey } from '../../../src/schema-cache/identifier.ts';
import type { QualifiedName } from '../../../src/schema-cache/identifier.ts';
import type { ResolvedMediaHandler } from '../../../src/schema-cache/media-handler.ts';
import type {
  ColumnPair,
  ForeignKeyRelationship,
  Relationship,
} from '../../../src/schema-cache/relationship.ts';
import type { Parameter, Routine } from '../../../src/schema-cache/routine.ts';
import { mediaHandlerKey, relationshipKey } from '../../../src/schema-cache/schema-cache.ts';
import type { SchemaCache } from '../../../src/schema-cache/schema-cache.ts';
import type { Column, Table } from '../../../src/schema-cache/table.ts';

// Hand-made catalogs, as small as a test needs them. All names are in the schema `api`.

/** A name in the schema `api`. */
export function api(name: string): QualifiedName {
  return { schema: 'api', name };
}

/** A nullable column; its type is a declared one's base type unless `nominalType` says otherwise. */
export function column(name: string, type = 'text', more: Partial<Column> = {}): Column {
  return {
    name,
    comment: null,
    nullable: true,
    generated: false,
    type,
    nominalType: type,
    maxLength: null,
    defaultExpression: null,
    enumLabels: [],
    ...more,
  };
}

/** A writable table, with `id` as its primary key and first column. */
export function table(name: string, columns: readonly Column[] = [], more: Partial<Table> = {}): Table {
  const all = [column('id', 'integer', { nullable: false }), ...columns];
  return {
    ...api(name),
    comment: null,
    isView: false,
    insertable: true,
    updatable: true,
    deletable: true,
    primaryKey: ['id'],
    uniqueKeys: [['id']],
    columns: new Map(all.map((each) => [each.name, each])),
    ...more,
  };
}

type SimpleKind = 'many-to-one' | 'one-to-one';

/** A foreign key with its other direction: `from` refers to `to` by `columns`. */
export function foreignKey(
  from: string,
  to: string,
  columns: readonly ColumnPair[],
  { kind = 'many-to-one' as SimpleKind, constraint = `${from}_${columns[0]?.[0]}_fkey` } = {},
): Relationship[] {
  const shared = {
    kind: 'foreign-key',
    isSelf: from === to,
    tableIsView: false,
    foreignTableIsView: false,
  } as const;
  const back = columns.map(([own, foreign]): ColumnPair => [foreign, own]);
  const there: ForeignKeyRelationship = {
    ...shared,
    table: api(from),
    foreignTable: api(to),
    cardinality:
      kind === 'one-to-one'
        ? { kind, constraint, columns, isParent: false }
        : { kind: 'many-to-one', constraint, columns },
  };
  const andBack: ForeignKeyRelationship = {
    ...shared,
    table: api(to),
    foreignTable: api(from),
    cardinality:
      kind === 'one-to-one'
        ? { kind, constraint, columns: back, isParent: true }
        : { kind: 'one-to-many', constraint, columns: back },
  };
  return [there, andBack];
}

/** A relationship from `from` to `to` over `junction`, in that direction. */
export function manyToMany(from: string, junction: string, to: string): Relationship {
  return {
    kind: 'foreign-key',
    table: api(from),
    foreignTable: api(to),
    isSelf: from === to,
    tableIsView: false,
    foreignTableIsView: false,
    cardinality: {
      kind: 'many-to-many',
      junction: {
        table: api(junction),
        sourceConstraint: `${junction}_${from}_fkey`,
        targetConstraint: `${junction}_${to}_fkey`,
        sourceColumns: [['id', `${from}_id`]],
        targetColumns: [['id', `${to}_id`]],
      },
    },
  };
}

/** A function that embeds: `name(from)` returns rows of `to`. */
export function computed(name: string, from: string, to: string, toOne = false): Relationship {
  return {
    kind: 'computed',
    function: api(name),
    table: api(from),
    foreignTable: api(to),
    isSelf: from === to,
    toOne,
  };
}

/** A parameter: required, or with a default when `?` follows its name, or variadic when `...` precedes it. */
export function parameter(name: string, type = 'integer'): Parameter {
  return {
    name: name.replace(/^\.\.\./, '').replace(/\?$/, ''),
    type,
    typeWithoutLength: type,
    required: !name.endsWith('?'),
    variadic: name.startsWith('...'),
  };
}

/** A volatile function that returns an integer. */
export function routine(
  name: string,
  parameters: readonly Parameter[] = [],
  more: Partial<Routine> = {},
): Routine {
  return {
    ...api(name),
    comment: null,
    parameters,
    returns: {
      setOf: false,
      type: { schema: 'pg_catalog', name: 'int4' },
      composite: false,
      compositeAlias: false,
    },
    volatility: 'volatile',
    isVariadic: parameters.some(({ variadic }) => variadic),
    isolationLevel: null,
    settings: [],
    ...more,
  };
}

/** The return type `returns setof <relation>`. */
export function rowsOf(relation: string): Routine['returns'] {
  return { setOf: true, type: api(relation), composite: true, compositeAlias: false };
}

const builtInHandlers: readonly (readonly [string, ResolvedMediaHandler])[] = [
  [mediaHandlerKey(null, '*/*'), { handler: { kind: 'json' }, mediaType: 'application/json' }],
  [mediaHandlerKey(null, 'application/json'), { handler: { kind: 'json' }, mediaType: 'application/json' }],
  [mediaHandlerKey(null, 'text/csv'), { handler: { kind: 'csv' }, mediaType: 'text/csv' }],
];

/** A snapshot of the given objects. */
export function catalog({
  tables = [],
  relationships = [],
  routines = [],
  representations = [],
  handlers = [],
}: {
  readonly tables?: readonly Table[];
  readonly relationships?: readonly Relationship[];
  readonly routines?: readonly Routine[];
  readonly representations?: readonly (readonly [key: string, quotedFunction: string])[];
  readonly handlers?: readonly (readonly [key: string, handler: ResolvedMediaHandler])[];
}): SchemaCache {
  return {
    tables: new Map(tables.map((each) => [nameKey(each.schema, each.name), each])),
    relationships: Map.groupBy(relationships, (each) =>
      relationshipKey(each.table, each.foreignTable.schema),
    ),
    routines: Map.groupBy(routines, (each) => nameKey(each.schema, each.name)),
    representations: new Map(representations),
    mediaHandlers: new Map([...builtInHandlers, ...handlers]),
    serverVersion: 170000,
    roleSettings: new Map(),
  };
}
