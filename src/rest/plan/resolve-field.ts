import type { QualifiedName } from '../../schema-cache/identifier.ts';
import { nameKey } from '../../schema-cache/identifier.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import { representationKey } from '../../schema-cache/schema-cache.ts';
import type { Column, Table } from '../../schema-cache/table.ts';
import type { Field, OperatorExpression } from '../request/query.ts';
import type { ResolvedField } from './plan.ts';

/** Looks up the fields of one relation. An unknown relation or column is not an error here: Postgres decides. */
export interface FieldResolver {
  /** Null: the relation is not in the catalog, as a function's result may not be. */
  readonly table: Table | null;
  /** For ordering, grouping and comparing: the field as it is. */
  readonly plain: (field: Field) => ResolvedField;
  /** For selecting: shown by its data representation, if its domain has one. */
  readonly selected: (field: Field) => ResolvedField;
  /** For selecting: one of the table's own columns. */
  readonly selectedColumn: (column: Column) => ResolvedField;
  /** For filtering: the value is read by its data representation, and full text search gets a tsvector. */
  readonly filtered: (field: Field, expression: OperatorExpression) => ResolvedField;
  /** For writing from json: read by its data representation. Null: the table has no such column. */
  readonly written: (column: string) => ResolvedField | null;
}

/** Makes the resolver of one relation's fields. */
export function fieldResolver(cache: SchemaCache, relation: QualifiedName): FieldResolver {
  const table = cache.tables.get(nameKey(relation.schema, relation.name)) ?? null;
  const transformed = (field: ResolvedField, source: string, target: string): ResolvedField => {
    // Most databases have no representations, and then no key needs to be made.
    if (cache.representations.size === 0) return field;
    const transform = cache.representations.get(representationKey(source, target));
    return transform === undefined ? field : { ...field, type: source, transform };
  };
  const shown = (field: ResolvedField): ResolvedField => transformed(field, field.type, 'json');
  const plain = ({ name, jsonPath }: Field): ResolvedField => {
    const column = table?.columns.get(name);
    const field = column === undefined ? unknownField(name) : columnField(column);
    return { ...field, jsonPath, toJson: !isJson(field.type) };
  };
  return {
    table,
    plain,
    selected: (field) => shown(plain(field)),
    selectedColumn: (column) => shown(columnField(column)),
    filtered: (field, expression) => {
      const resolved = plain(field);
      return transformed(
        { ...resolved, toTsVector: tsVectorOf(resolved, expression) },
        'text',
        resolved.type,
      );
    },
    written: (name) => {
      const column = table?.columns.get(name);
      return column === undefined ? null : transformed(columnField(column), 'json', column.nominalType);
    },
  };
}

/** A field whose name the catalog does not have: an alias, a computed field, a column of a function's result. */
export function unknownField(name: string): ResolvedField {
  return {
    name,
    jsonPath: [],
    toJson: false,
    toTsVector: null,
    type: '',
    baseType: '',
    transform: null,
    defaultExpression: null,
    fullRow: false,
  };
}

function columnField(column: Column): ResolvedField {
  return {
    ...unknownField(column.name),
    type: column.nominalType,
    baseType: column.type,
    defaultExpression: column.defaultExpression,
  };
}

/** Whether the type is json. It then needs no conversion, which would keep an index on `data->'a'` from being used. */
function isJson(type: string): boolean {
  return type === 'json' || type === 'jsonb';
}

/** PostgREST, Tables and Views, Full-Text Search: applies to any known column that is not a tsvector. */
function tsVectorOf(field: ResolvedField, { operation }: OperatorExpression): ResolvedField['toTsVector'] {
  if (operation.kind !== 'fts' || field.type === '' || field.baseType === 'tsvector') return null;
  return { language: operation.language };
}
