import {
  Kind,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  getNamedType,
  getNullableType,
  isCompositeType,
  isListType,
  isObjectType,
  isInterfaceType,
} from 'postgraphile/graphql';
import type {
  DocumentNode,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLField,
  GraphQLNamedType,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionSetNode,
  ValueNode,
} from 'postgraphile/graphql';
import { plannedFieldCost } from '../../request-budget.ts';
import { isPaged } from './page-sizes.ts';

/** The costs of an operation. Numbers saturate at Infinity. */
export interface Cost {
  /** Counted as in `RequestBudget.fields`; a directive counts as a field. */
  readonly fields: number;
  /** Counted as in `RequestBudget.values`. */
  readonly values: number;
  /** Values that `__schema` and `__type` look up in the schema; a list counts with its average length. */
  readonly introspection: number;
  /** Fields of `__schema` and `__type`. `fields` leaves them out, because their cost does not depend on the caller. */
  readonly lookups: number;
  /** Depth of nested fields. */
  readonly depth: number;
  /** Number of fields at the root. */
  readonly roots: number;
  /** Rows of the longest page; 0: the operation has no page. */
  readonly largestPage: number;
  /** A fragment spreads itself, so its cost is unknown. */
  readonly cyclic: boolean;
}

/** Rows that a list counts as, by the arguments of its field; null: the list has no such arguments. */
export type PageSize = (field: FieldNode | null) => number;

/** Cost of a spread, whatever its fragment holds: validation compares the fragments of a selection with each other. */
const spreadCost = 3;

/** Most fragments and selections nested in each other. Measuring stops there, and the depth is Infinity. */
const maxNesting = 400;

/** Sizes in the schema that determine what its introspection costs. */
export interface SchemaSizes {
  /** The mean length of each list of the schema, by field name (`fields` of `__Type` and the like). */
  readonly lists: ReadonlyMap<string, number>;
  /** Object types that paged fields return: their `nodes` and `edges` are as long as the page. */
  readonly pages: ReadonlySet<GraphQLNamedType>;
}

/** Measures a schema once. */
export function schemaSizes(schema: GraphQLSchema): SchemaSizes {
  const types = Object.values(schema.getTypeMap());
  const objects = types.filter((type) => isObjectType(type) || isInterfaceType(type));
  const fields = objects.flatMap((type) => Object.values(type.getFields()));
  const inputs = types.filter((type) => 'getFields' in type && !isObjectType(type) && !isInterfaceType(type));
  const inputFields = inputs.reduce((sum, type) => sum + Object.keys(type.getFields()).length, 0);
  const enums = types.filter((type) => 'getValues' in type);
  const enumValues = enums.reduce((sum, type) => sum + type.getValues().length, 0);
  const mean = (sum: number, count: number): number => Math.max(1, sum / Math.max(1, count));
  return {
    lists: new Map([
      ['types', types.length],
      ['directives', schema.getDirectives().length],
      ['fields', mean(fields.length, types.length)],
      ['inputFields', mean(inputFields, types.length)],
      ['enumValues', mean(enumValues, types.length)],
      [
        'args',
        mean(
          fields.reduce((sum, { args }) => sum + args.length, 0),
          fields.length,
        ),
      ],
    ]),
    pages: new Set(fields.filter(isPaged).map(({ type }) => getNamedType(type))),
  };
}

/** The costs of a selection set. */
interface Part {
  fields: number;
  /** Fields of the selection set itself, including those of its fragments. */
  level: number;
  /** Values that count once, whatever the page's size. */
  once: number;
  /** Values that count for each row of the page that holds the selection set. */
  each: number;
  introspection: number;
  lookups: number;
  depth: number;
}

/**
 * Counts what the operation asks for, in a document that is parsed but not validated: unknown fields count like any
 * other. Each fragment is counted once, and its sum is used wherever it is spread. So the time is linear in the text,
 * however often fragments multiply.
 */
export function measure(
  schema: GraphQLSchema,
  sizes: SchemaSizes,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  pageSize: PageSize,
): Cost {
  const counting = new Counting(schema, sizes, document, pageSize);
  const part = counting.part(operation.selectionSet, schema.getRootType(operation.operation) ?? null, 0);
  return {
    fields: part.fields + (operation.directives?.length ?? 0),
    values: part.once + part.each * pageSize(null),
    introspection: part.introspection,
    lookups: part.lookups,
    depth: part.depth,
    roots: part.level,
    largestPage: counting.largestPage,
    cyclic: counting.cyclic,
  };
}

class Counting {
  cyclic = false;
  largestPage = 0;
  readonly #schema: GraphQLSchema;
  readonly #sizes: SchemaSizes;
  readonly #pageSize: PageSize;
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  /** The costs of each fragment; null: it is being counted. */
  readonly #parts = new Map<string, Part | null>();

  constructor(schema: GraphQLSchema, sizes: SchemaSizes, document: DocumentNode, pageSize: PageSize) {
    this.#schema = schema;
    this.#sizes = sizes;
    this.#pageSize = pageSize;
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION)
        this.#fragments.set(definition.name.value, definition);
    }
  }

  part(selectionSet: SelectionSetNode, type: GraphQLNamedType | null, nesting: number): Part {
    const sum: Part = { ...nothing };
    if (nesting > maxNesting) return { ...sum, depth: Infinity };
    for (const selection of selectionSet.selections) {
      sum.fields += selection.directives?.length ?? 0;
      if (selection.kind === Kind.FIELD) {
        for (const { value } of selection.arguments ?? []) sum.fields += objectFields(value);
        add(sum, this.#field(selection, type, nesting));
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const name = selection.typeCondition?.name.value;
        const narrowed = name === undefined ? type : (this.#schema.getType(name) ?? null);
        add(sum, this.part(selection.selectionSet, narrowed, nesting + 1));
      } else {
        add(sum, this.#spread(selection.name.value, nesting));
      }
    }
    return sum;
  }

  #spread(name: string, nesting: number): Part {
    const known = this.#parts.get(name);
    if (known === null) this.cyclic = true;
    if (known) return known;
    const fragment = this.#fragments.get(name);
    // The fragment is missing or spreads itself: validation reports both.
    if (known === null || fragment === undefined) return { ...nothing, fields: spreadCost };
    this.#parts.set(name, null);
    const type = this.#schema.getType(fragment.typeCondition.name.value) ?? null;
    const part = this.part(fragment.selectionSet, type, nesting + 1);
    const spread = { ...part, fields: part.fields + spreadCost + (fragment.directives?.length ?? 0) };
    this.#parts.set(name, spread);
    return spread;
  }

  #field(field: FieldNode, parent: GraphQLNamedType | null, nesting: number): Part {
    const name = field.name.value;
    const definition = this.#definition(name, parent);
    const type = definition ? getNamedType(definition.type) : null;
    const inside = field.selectionSet ? this.part(field.selectionSet, type, nesting + 1) : nothing;
    const part = { ...nothing, level: 1, depth: inside.depth + 1 };
    if (
      parent?.name.startsWith('__') ||
      definition === SchemaMetaFieldDef ||
      definition === TypeMetaFieldDef
    ) {
      const length = this.#sizes.lists.get(name) ?? 1;
      const lookups = 1 + inside.lookups + inside.fields;
      return { ...part, lookups, introspection: 1 + length * inside.introspection };
    }
    part.introspection = inside.introspection;
    part.lookups = inside.lookups;
    part.fields = (field.selectionSet ? plannedFieldCost : 1) + inside.fields;
    const row = 1 + inside.once + inside.each;
    if (definition === null) return { ...part, once: row };
    if (isPaged(definition)) {
      const rows = this.#pageSize(field);
      this.largestPage = Math.max(this.largestPage, rows);
      return { ...part, once: 1 + inside.once + rows * inside.each };
    }
    if (!isListType(getNullableType(definition.type)) || !isCompositeType(type)) {
      return { ...part, once: 1 + inside.once, each: inside.each };
    }
    const isOfPage =
      (name === 'nodes' || name === 'edges') && parent !== null && this.#sizes.pages.has(parent);
    return isOfPage ? { ...part, each: row } : { ...part, once: this.#pageSize(null) * row };
  }

  #definition(name: string, parent: GraphQLNamedType | null): GraphQLField<unknown, unknown> | null {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
    if (parent === null || !(isObjectType(parent) || isInterfaceType(parent))) return null;
    return parent.getFields()[name] ?? null;
  }
}

/** Fields of the input objects in a literal: each becomes a condition, or a written column. */
function objectFields(value: ValueNode): number {
  if (value.kind === Kind.LIST) return value.values.reduce((sum, item) => sum + objectFields(item), 0);
  if (value.kind !== Kind.OBJECT) return 0;
  return value.fields.reduce((sum, field) => sum + 1 + objectFields(field.value), 0);
}

const nothing: Part = { fields: 0, level: 0, once: 0, each: 0, introspection: 0, lookups: 0, depth: 0 };

function add(sum: Part, part: Part): void {
  sum.fields += part.fields;
  sum.level += part.level;
  sum.once += part.once;
  sum.each += part.each;
  sum.introspection += part.introspection;
  sum.lookups += part.lookups;
  sum.depth = Math.max(sum.depth, part.depth);
}
