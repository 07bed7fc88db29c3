import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { ColumnPair, Relationship } from '../../schema-cache/relationship.ts';
import type { JoinCondition } from './plan.ts';

/** Names of a level and its parent in the statement; a null alias means the relation's own name. */
export interface JoinAliases {
  readonly own: string | null;
  readonly parent: string | null;
}

/**
 * The conditions that tie an embed's rows to those of the level above; none for a computed relationship, whose
 * function ties them.
 */
export function joinConditions(relationship: Relationship, { own, parent }: JoinAliases): JoinCondition[] {
  if (relationship.kind === 'computed') return [];
  const { table, foreignTable, cardinality } = relationship;
  const above = called(table, parent);
  if (cardinality.kind !== 'many-to-many')
    return conditions(called(foreignTable, own), above, cardinality.columns);
  const { junction } = cardinality;
  return [
    ...conditions(junction.table, called(foreignTable, own), junction.targetColumns),
    ...conditions(junction.table, above, junction.sourceColumns),
  ];
}

function called(relation: QualifiedName, alias: string | null): QualifiedName {
  return alias === null ? relation : { schema: '', name: alias };
}

function conditions(
  left: QualifiedName,
  right: QualifiedName,
  pairs: readonly ColumnPair[],
): JoinCondition[] {
  return pairs.map(([column, otherColumn]) => ({
    left: { relation: left, column: otherColumn },
    right: { relation: right, column },
  }));
}
