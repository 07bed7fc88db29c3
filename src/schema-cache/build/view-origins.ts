/** A column of a relation, by its position. */
export interface ColumnOrigin {
  readonly relation: number;
  readonly position: number;
}

/**
 * The origins of a view's columns, by the position in the view: the column of a relation in its FROM that an item of
 * the select list stands for, as Postgres recorded it when the view was made. Computed items have no origin.
 *
 * `tree` is the text of pg_rewrite.ev_action: nodes in braces, lists in parentheses, fields as `:name value`, and a
 * backslash before each character of a name that would read as one of these. The select list is the `:targetList` of
 * the outermost node; those of sub-queries lie deeper. All other fields are ignored, so it does not matter which
 * fields a version of Postgres has.
 */
export function viewOrigins(tree: string): Map<number, ColumnOrigin> {
  const origins = new Map<number, ColumnOrigin>();
  let depth = 0;
  let inSelectList = false;
  let position = 0;
  let relation = 0;
  for (const [token, resno, table, column] of tree.matchAll(tokens)) {
    if (token === '{') depth++;
    else if (token === '}') depth--;
    else if (depth === 1 && token === ':targetList ') inSelectList = true;
    // The field after the list. Later fields can hold entries of the same kind, such as those of RETURNING.
    else if (depth === 1 && token === ':override ') break;
    else if (depth !== 2 || !inSelectList) continue;
    else if (resno !== undefined) position = Number(resno);
    else if (table !== undefined) relation = Number(table);
    else if (column !== undefined && relation > 0) {
      origins.set(position, { relation, position: Number(column) });
    }
  }
  return origins;
}

// Escaped characters are matched only to skip them. A name cannot contain a field, because its blank would be escaped.
const tokens = /\\[^]|[{}]|:targetList |:override |:resno (\d+)|:resorigtbl (\d+)|:resorigcol (\d+)/g;
