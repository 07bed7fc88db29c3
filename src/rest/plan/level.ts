import type {
  Distinct,
  Filter,
  HavingFilter,
  JoinType,
  LogicTree,
  OrderTerm,
  RowRange,
  SelectField,
  SelectItem,
} from '../request/query.ts';

/**
 * A level of the request with everything that refers to it, before names are looked up. Mutable while at-path.ts
 * fills it.
 */
export interface Level {
  /** Name of the relation in the request; an embed may go by the name of a foreign key or a column. */
  readonly name: string;
  readonly alias: string | null;
  readonly hint: string | null;
  readonly join: JoinType | null;
  readonly spread: boolean;
  /** 0 at the top. */
  readonly depth: number;
  readonly select: readonly SelectField[];
  readonly embeds: Level[];
  filters: Filter[];
  logic: LogicTree[];
  order: readonly OrderTerm[];
  range: RowRange;
  distinct: Distinct | null;
  having: LogicTree<HavingFilter>[];
  legacyTargetName: boolean;
}

/** The range of all rows. */
export const allRows: RowRange = { offset: 0, limit: null };

/** The levels of a `select`; the top one is named `name`. */
export function levelsOf(name: string, select: readonly SelectItem[]): Level {
  return levelOf({ relation: name, alias: null, hint: null, join: null, spread: false, select }, 0);
}

function levelOf(
  from: {
    readonly relation: string;
    readonly alias: string | null;
    readonly hint: string | null;
    readonly join: JoinType | null;
    readonly spread: boolean;
    readonly select: readonly SelectItem[];
  },
  depth: number,
): Level {
  return {
    name: from.relation,
    alias: from.alias,
    hint: from.hint,
    join: from.join,
    spread: from.spread,
    depth,
    select: from.select.filter((item) => item.kind === 'field'),
    embeds: from.select.filter((item) => item.kind === 'relation').map((item) => levelOf(item, depth + 1)),
    filters: [],
    logic: [],
    order: [],
    range: allRows,
    distinct: null,
    having: [],
    legacyTargetName: false,
  };
}

/** The name of an embed in the request and the answer: its alias, otherwise its relation. */
export function nameOfEmbed({
  name,
  alias,
}: {
  readonly name: string;
  readonly alias: string | null;
}): string {
  return alias ?? name;
}
