import type { ColumnPair, ForeignKeyRelationship, Relationship } from '../../schema-cache/relationship.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import { relationshipKey } from '../../schema-cache/schema-cache.ts';
import { RestError } from '../errors.ts';
import { catalogNames } from './catalog-names.ts';
import { looseScore, nameIndex, similarNames } from './did-you-mean.ts';

/** An embed as the request names it: `target!hint` on `origin`. */
export interface EmbedName {
  /** Name of the relation on which the target is embedded, in `schema`. */
  readonly origin: string;
  readonly target: string;
  readonly hint: string | null;
  readonly schema: string;
}

/**
 * The only relationship that an embed's name can mean (PostgREST, Resource Embedding, Foreign Key Joins). Throws
 * PGRST200 if there is none, PGRST201 if there are several.
 */
export function findRelationship(cache: SchemaCache, embed: EmbedName): Relationship {
  const { schema, origin, target, hint } = embed;
  const all = cache.relationships.get(relationshipKey({ schema, name: origin }, schema)) ?? [];
  const found = all.filter((relationship) => isMeant(relationship, target, hint));
  const [first] = found;
  if (first === undefined) throw notRelated(cache, embed);
  if (found.length > 1) throw ambiguous(embed, found);
  return first;
}

function isMeant(relationship: Relationship, target: string, hint: string | null): boolean {
  if (relationship.kind === 'computed') return relationship.function.name === target;
  if (relationship.isSelf) return isMeantOfItself(relationship, target, hint);
  const named = relationship.foreignTable.name === target;
  if (hint === null) {
    const ofTable = !relationship.foreignTableIsView;
    return (
      named || (ofTable && (constraintOf(relationship) === target || ownColumn(relationship) === target))
    );
  }
  return (
    named &&
    (constraintOf(relationship) === hint ||
      ownColumn(relationship) === hint ||
      foreignColumn(relationship) === hint ||
      junctionOf(relationship) === hint)
  );
}

/**
 * A table's foreign key to itself is two relationships: the table's name means the to-many one, the column's name the
 * to-one.
 */
function isMeantOfItself(relationship: ForeignKeyRelationship, target: string, hint: string | null): boolean {
  const named = relationship.foreignTable.name === target && relationship.cardinality.kind === 'one-to-many';
  if (hint !== null) return named && foreignColumn(relationship) === hint;
  return named || (relationship.cardinality.kind === 'many-to-one' && ownColumn(relationship) === target);
}

function constraintOf({ cardinality }: ForeignKeyRelationship): string | null {
  return cardinality.kind === 'many-to-many' ? null : cardinality.constraint;
}

function junctionOf({ cardinality }: ForeignKeyRelationship): string | null {
  return cardinality.kind === 'many-to-many' ? cardinality.junction.table.name : null;
}

/** The column of a single-column foreign key, on the side that is embedded on. */
function ownColumn(relationship: ForeignKeyRelationship): string | null {
  return onlyPair(relationship)?.[0] ?? null;
}

/** The column of a single-column foreign key, on the embedded side. */
function foreignColumn(relationship: ForeignKeyRelationship): string | null {
  return onlyPair(relationship)?.[1] ?? null;
}

function onlyPair({ cardinality }: ForeignKeyRelationship): ColumnPair | undefined {
  if (cardinality.kind === 'many-to-many' || cardinality.columns.length !== 1) return undefined;
  return cardinality.columns[0];
}

function notRelated(cache: SchemaCache, { schema, origin, target, hint }: EmbedName): RestError {
  const between = `between '${origin}' and '${target}'`;
  const usingHint = hint === null ? '' : ` using the hint '${hint}'`;
  return new RestError('PGRST200', `Could not find a relationship ${between} in the schema cache`, {
    details:
      `Searched for a foreign key relationship ${between}${usingHint} in the schema '${schema}', ` +
      'but no matches were found.',
    hint: relationshipHint(cache, schema, origin, target),
  });
}

/**
 * Suggests a similar origin if the given one has no relationship, otherwise a similar target; null if only the hint
 * is wrong.
 */
function relationshipHint(cache: SchemaCache, schema: string, origin: string, target: string): string | null {
  const relationships = cache.relationships.get(relationshipKey({ schema, name: origin }, schema));
  if (relationships === undefined) {
    const parent = similarNames(catalogNames(cache, 'origins', schema), origin, looseScore).find(
      // A table of the same name in another schema would not help.
      ({ name }) => name !== origin,
    );
    return parent === undefined ? null : `Perhaps you meant '${parent.name}' instead of '${origin}'.`;
  }
  const targets = relationships.map(({ foreignTable }) => foreignTable.name);
  const child = similarNames(nameIndex(targets), target, looseScore).find(({ score }) => score < 1);
  return child === undefined ? null : `Perhaps you meant '${child.name}' instead of '${target}'.`;
}

function ambiguous({ origin, target }: EmbedName, found: readonly Relationship[]): RestError {
  const choices = found.map(choiceOf).join(', ');
  return new RestError(
    'PGRST201',
    `Could not embed because more than one relationship was found for '${origin}' and '${target}'`,
    {
      details: found.map(candidateOf),
      hint:
        `Try changing '${target}' to one of the following: ${choices}. ` +
        "Find the desired relationship in the 'details' key.",
    },
  );
}

function choiceOf(relationship: Relationship): string {
  if (relationship.kind === 'computed') return `'${relationship.function.name}'`;
  const hint = junctionOf(relationship) ?? constraintOf(relationship);
  return `'${relationship.foreignTable.name}!${hint}'`;
}

interface Candidate {
  readonly cardinality: string;
  readonly embedding: string;
  readonly relationship: string;
}

function candidateOf(found: Relationship): Candidate {
  const embedding = `${found.table.name} with ${found.foreignTable.name}`;
  if (found.kind === 'computed') {
    return {
      cardinality: found.toOne ? 'many-to-one' : 'one-to-many',
      embedding,
      relationship: found.function.name,
    };
  }
  const { cardinality } = found;
  if (cardinality.kind === 'many-to-many') {
    const { junction } = cardinality;
    const source = `${junction.sourceConstraint}${listed(junction.sourceColumns.map(([, column]) => column))}`;
    const target = `${junction.targetConstraint}${listed(junction.targetColumns.map(([, column]) => column))}`;
    return {
      cardinality: cardinality.kind,
      embedding,
      relationship: `${junction.table.name} using ${source} and ${target}`,
    };
  }
  const own = `${found.table.name}${listed(cardinality.columns.map(([column]) => column))}`;
  const foreign = `${found.foreignTable.name}${listed(cardinality.columns.map(([, column]) => column))}`;
  return {
    cardinality: cardinality.kind,
    embedding,
    relationship: `${cardinality.constraint} using ${own} and ${foreign}`,
  };
}

function listed(columns: readonly string[]): string {
  return `(${columns.join(', ')})`;
}
