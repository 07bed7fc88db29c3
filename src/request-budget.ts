/**
 * What ONE request may cost. Counted before it runs where that is possible: everything here is worked on in the one thread
 * that all tenants share. How many requests a caller may have at once is not decided here.
 */
export interface RequestBudget {
  /**
   * What a request asks for: GraphQL's fields with every fragment written out, REST's columns, conditions and orders. What
   * has to be planned (a field with fields of its own, an embed) counts as `plannedFieldCost`.
   */
  readonly fields: number;
  /** Names, values and punctuation of a GraphQL document; an embedding that is written out has 1,536. */
  readonly tokens: number;
  /** Values that a GraphQL answer may hold if every list is as long as it may be. */
  readonly values: number;
  /** Root fields of a GraphQL mutation. */
  readonly mutations: number;
  /** Bytes of a request's body, or of one WebSocket message. */
  readonly bodyBytes: number;
  /** Bytes of an answer, and of what the database sends for it. */
  readonly answerBytes: number;
}

/** The budget of a request with a token, and the smaller one of a request without. */
export interface RequestBudgets {
  readonly identified: RequestBudget;
  readonly anonymous: RequestBudget;
}

/** Names, values and punctuation of a GraphQL document by somebody with a token. Not configured: a parser's time is no matter of taste. */
export const maxTokens = 15_000;

/** Measured: planning a list takes as long as selecting some ten columns of it. */
export const plannedFieldCost = 10;

/** The budget of somebody. */
export function budgetFor(budgets: RequestBudgets, isAnonymous: boolean): RequestBudget {
  return isAnonymous ? budgets.anonymous : budgets.identified;
}

/** The budgets that a percentage makes: an anonymous request may cost so much of what another may. */
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

/** How many rows a page of a GraphQL list has. */
export interface PageSizes {
  /** Where a query says neither `first` nor `last`. Not above `largest`. */
  readonly byDefault: number;
  /** More is refused. */
  readonly largest: number;
}
