import type { SelectField } from '../request/query.ts';
import type { PlannedSelect, ResolvedField } from './plan.ts';
import type { FieldResolver } from './resolve-field.ts';

/** Decides how a level's fields are selected. */
export interface SelectContext {
  readonly resolver: FieldResolver;
  readonly spread: boolean;
  /**
   * Whether the level must name its columns: its rows are grouped, here or above, or aggregated into a to-many
   * spread.
   */
  readonly namesColumns: boolean;
}

/**
 * The select list of a level: stars are expanded where they must be, and a field gets an alias where Postgres would
 * give none or another.
 */
export function plannedSelect(select: readonly SelectField[], context: SelectContext): PlannedSelect[] {
  const fields = select.map(({ field, alias, cast, aggregate, aggregateCast }): PlannedSelect => ({
    field: context.resolver.selected(field),
    aggregate,
    aggregateCast,
    cast,
    alias,
  }));
  return expandStars(fields, context).map((field) => ({ ...field, alias: aliasOf(field, context.spread) }));
}

/**
 * Expands stars only where it must, because a star shows columns that are added later without a reload. It must where
 * columns are grouped by, or shown by a data representation. In a spread, `count()` counts the spread's own rows, not
 * those of the level above.
 */
function expandStars(fields: readonly PlannedSelect[], context: SelectContext): PlannedSelect[] {
  const { resolver, spread, namesColumns } = context;
  const columns = fields.some(({ field }) => isStar(field))
    ? [...(resolver.table?.columns.values() ?? [])].map((column) => resolver.selectedColumn(column))
    : [];
  if (!namesColumns && columns.every(({ transform }) => transform === null)) return [...fields];
  return fields.flatMap((selected) => {
    if (!isStar(selected.field)) return [selected];
    if (selected.aggregate === null) return columns.map((field) => ({ ...selected, field }));
    const ofRows = spread && selected.aggregate === 'count';
    return [ofRows ? { ...selected, field: { ...selected.field, fullRow: true } } : selected];
  });
}

/** Whether the field stands for all columns. */
export function isStar({ name, jsonPath }: ResolvedField): boolean {
  return name === '*' && jsonPath.length === 0;
}

/** The alias of a field. An aggregate needs one only in a spread, where the level above selects it by name. */
function aliasOf({ field, alias, aggregate }: PlannedSelect, spread: boolean): string | null {
  if (alias !== null) return alias;
  if (aggregate !== null) return spread ? aggregate : null;
  if (field.jsonPath.length > 0) return lastKey(field);
  return field.transform === null ? null : field.name;
}

/** PostgREST, Tables and Views, JSON columns: the last key is the name; `data->1->a->>2` is `a`, `data->3` is `data`. */
function lastKey({ name, jsonPath }: ResolvedField): string {
  const step = jsonPath.findLast((candidate) => 'key' in candidate);
  return step === undefined || !('key' in step) ? name : step.key;
}
