import { maxTokens, requestBudgets } from '../request-budget.ts';
import type { HttpConfig } from './config.ts';
import type { OptionValues } from './option-values.ts';

/** Reads the options of the HTTP server and of a request's budget. */
export function httpConfig(values: OptionValues): HttpConfig {
  const maxBodyBytes = values.integer('MAX_BODY_BYTES', 1024, 1_073_741_824);
  const pages = {
    byDefault: values.integer('GRAPHQL_DEFAULT_FIRST', 1, 1_000_000),
    largest: values.integer('GRAPHQL_MAX_FIRST', 1, 1_000_000),
  };
  if (pages.byDefault > pages.largest) {
    values.problems.push(
      `GRAPHQL_DEFAULT_FIRST is ${pages.byDefault}; expected at most GRAPHQL_MAX_FIRST, which is ${pages.largest}`,
    );
  }
  return {
    host: values.text('HOST'),
    port: values.integer('PORT', 0, 65_535),
    pages,
    budgets: requestBudgets(
      {
        fields: values.integer('MAX_REQUEST_FIELDS', 10, 1_000_000),
        tokens: maxTokens,
        values: values.integer('GRAPHQL_MAX_VALUES', 10, 100_000_000),
        mutations: values.integer('GRAPHQL_MAX_MUTATIONS', 1, 10_000),
        bodyBytes: maxBodyBytes,
        answerBytes: values.integer('MAX_ANSWER_BYTES', 1024, 536_870_912),
      },
      values.integer('ANONYMOUS_BUDGET_PERCENT', 1, 100),
    ),
    corsOrigins: corsOrigins(values),
    shutdownMs: values.integer('SHUTDOWN_MS', 0, 3_600_000),
    requestMs: values.integer('HTTP_REQUEST_MS', 100, 3_600_000),
    unreadMs: values.integer('HTTP_UNREAD_MS', 100, 3_600_000),
  };
}

function corsOrigins(values: OptionValues): readonly string[] | null {
  const value = values.text('CORS_ORIGINS');
  if (value === '' || value === '*') return null;
  return value.split(',').map((entry) => {
    const given = entry.trim();
    // Browsers send this for a page without an origin: a file, or a sandboxed frame.
    if (given === 'null') return given;
    const parsed = URL.parse(given);
    if (parsed && /^[^/?#@]*:\/\/[^/?#@]+\/?$/.test(given)) {
      // For a scheme that URL does not know (capacitor, chrome-extension), it cannot tell the origin.
      return parsed.origin === 'null' ? given.replace(/\/$/, '').toLowerCase() : parsed.origin;
    }
    values.problems.push(
      `CORS_ORIGINS has ${JSON.stringify(given)}; expected an origin such as https://app.example or http://localhost:5173`,
    );
    return given;
  });
}
