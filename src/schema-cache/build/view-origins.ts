/** A column of a relation by its position. */
export interface ColumnOrigin {
  readonly relation: number;
  readonly position: number;
}

/**
 * Where the columns of a view come from, by the view's column position: the column of the relation in its FROM that an
 * item of the select list is, as Postgres noted it when the view was made. Computed items have none.
 *
 * `tree` is the text of pg_rewrite.ev_action: nodes in braces, lists in parentheses, fields as `:name value`, and a
 * backslash before each character of a name that would read as one of these. The select list is the `:targetList` of
 * the outermost node; those of sub-queries lie deeper. No other field is looked at, so that it does not matter what
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
    // The field after the list. The same kind of entries may follow it: RETURNING has them.
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

// Escaped characters are matched to be passed over. A name cannot contain a field: its blank would be escaped.
const tokens = /\\[^]|[{}]|:targetList |:override |:resno (\d+)|:resorigtbl (\d+)|:resorigcol (\d+)/g;
