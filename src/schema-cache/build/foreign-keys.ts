import type { KeyRow } from '../catalog/keys.ts';
import type { RelationRow } from '../catalog/relations.ts';
import type { ColumnPair, ForeignKeyRelationship } from '../relationship.ts';
import type { Lineage } from './lineage.ts';
import { shownKeys } from './view-keys.ts';
import type { ColumnName } from './view-keys.ts';

/** A relation at one end of a foreign key, and the key's columns by their names in that relation. */
interface End {
  readonly relation: RelationRow;
  readonly columns: readonly string[];
}

/**
 * The relationships of foreign keys in their own direction: from every table or view that shows the referencing columns
 * to every one that shows the referenced ones. One-to-one when the referencing columns are a key of their table.
 */
export function buildForeignKeys(
  relations: readonly RelationRow[],
  keys: readonly KeyRow[],
  lineage: Lineage,
  columnName: ColumnName,
): ForeignKeyRelationship[] {
  const byOid = new Map(relations.map((relation) => [relation.oid, relation]));
  const uniques = new Set(
    keys.filter((key) => key.kind !== 'f').map((key) => columnSet(key.relation, key.positions)),
  );

  const ends = (oid: number, positions: readonly number[], columns: readonly string[]): End[] => {
    const table = byOid.get(oid);
    if (!table) return [];
    const views = [...(lineage.get(oid) ?? [])].flatMap(([view, shown]) => {
      const relation = byOid.get(view);
      return relation
        ? shownKeys(positions, shown, (position) => columnName(view, position)).map((names) => ({
            relation,
            columns: names,
          }))
        : [];
    });
    return [{ relation: table, columns }, ...views];
  };

  return keys.flatMap((key) => {
    if (key.kind !== 'f' || key.inherited) return [];
    const kind = uniques.has(columnSet(key.relation, key.positions)) ? 'one-to-one' : 'many-to-one';
    const targets = ends(key.foreign_relation!, key.foreign_positions!, key.foreign_columns!);
    return ends(key.relation, key.positions, key.columns).flatMap((source) =>
      targets.map((target) => between(source, target, kind, key.name)),
    );
  });
}

function between(
  source: End,
  target: End,
  kind: 'one-to-one' | 'many-to-one',
  constraint: string,
): ForeignKeyRelationship {
  const columns = source.columns.map((column, i): ColumnPair => [column, target.columns[i]!]);
  return {
    kind: 'foreign-key',
    table: { schema: source.relation.schema, name: source.relation.name },
    foreignTable: { schema: target.relation.schema, name: target.relation.name },
    isSelf: source.relation.oid === target.relation.oid,
    tableIsView: source.relation.is_view,
    foreignTableIsView: target.relation.is_view,
    cardinality:
      kind === 'one-to-one' ? { kind, constraint, columns, isParent: false } : { kind, constraint, columns },
  };
}

/** A text that is the same for the same columns in any order. */
function columnSet(relation: number, positions: readonly number[]): string {
  return `${relation}:${positions.toSorted((a, b) => a - b).join()}`;
}
