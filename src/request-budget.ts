/**
 * The cost that ONE request may have. It is counted before the request runs where that is possible, because
 * everything here runs in the one thread that all tenants share. The number of simultaneous requests of a
 * caller is not limited here.
 */
export interface RequestBudget {
  /**
   * Parts that a request asks for: GraphQL's fields with every fragment expanded, REST's columns, conditions
   * and orders. A part that has to be planned (a field with fields of its own, an embed) counts as
   * `plannedFieldCost`.
   */
  readonly fields: number;
  /** Names, values and punctuation of a GraphQL document. An embedding that is written out has 1,536. */
  readonly tokens: number;
  /** Values that a GraphQL answer could have if every list were as long as allowed. */
  readonly values: number;
  /** Root fields of a GraphQL mutation. */
  readonly mutations: number;
  /** Bytes of a request's body, or of one WebSocket message. */
  readonly bodyBytes: number;
  /** Bytes of an answer, and of the rows that the database sends for it. */
  readonly answerBytes: number;
}

/** The budget of a request with a token, and the smaller one of a request without one. */
export interface RequestBudgets {
  readonly identified: RequestBudget;
  readonly anonymous: RequestBudget;
}

/**
 * Most names, values and punctuation marks of a GraphQL document from a requester with a token. Not
 * configurable, because a parser's time is not a matter of taste.
 */
export const maxTokens = 15_000;

/** Measured: planning a list takes as long as selecting some ten columns of it. */
export const plannedFieldCost = 10;

/** The budget of a request, with or without a token. */
export function budgetFor(budgets: RequestBudgets, isAnonymous: boolean): RequestBudget {
  return isAnonymous ? budgets.anonymous : budgets.identified;
}

/**
 * Makes the budgets from a percentage: the share of an identified request's budget that an anonymous request
 * gets.
 */
export function requestBudgets(identified: RequestBudget, anonymousPercent: number): RequestBudgets {
  const share = (limit: number): number => Math.max(1, Math.floor((limit * anonymousPercent) / 100));
  return {
    identified,
    anonymous: {
      fields: share(identified.fields),
      tokens: share(identified.tokens),
      values: share(identified.values),
      mutations: share(identified.mutations),
      bodyBytes: share(identified.bodyBytes),
      answerBytes: share(identified.answerBytes),
    },
  };
}

/** Numbers of rows on a page of a GraphQL list. */
export interface PageSizes {
  /** Rows for a query with neither `first` nor `last`. At most `largest`. */
  readonly byDefault: number;
  /** Most rows. A query for more is refused. */
  readonly largest: number;
}
