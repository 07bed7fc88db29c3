import path from 'node:path';
import { maxTokens, requestBudgets } from '../request-budget.ts';
import type { HttpConfig, TrafficConfig } from './config.ts';
import type { OptionValues } from './option-values.ts';
import type { OptionName } from './options.ts';
import { proxyProblem } from './proxy-list.ts';

/** Reads the options of the HTTP server and of a request's budget. */
export function httpConfig(values: OptionValues, production: boolean): HttpConfig {
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
    traffic: trafficConfig(values),
    showsSchemaToAll:
      (values.choice('ANONYMOUS_INTROSPECTION', ['true', 'false']) ?? (production ? 'false' : 'true')) ===
      'true',
    host: values.text('HOST'),
    allowPlainHttp: values.flag('ALLOW_PLAIN_HTTP'),
    port: values.integer('PORT', 0, 65_535),
    tls: certificateFiles(values),
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
    publicUrl: publicUrl(values),
    corsOrigins: corsOrigins(values),
    shutdownMs: values.integer('SHUTDOWN_MS', 0, 3_600_000),
    drainMs: values.integer('DRAIN_MS', 0, 1_800_000),
    requestMs: values.integer('HTTP_REQUEST_MS', 100, 3_600_000),
    unreadMs: values.integer('HTTP_UNREAD_MS', 100, 3_600_000),
  };
}

function trafficConfig(values: OptionValues): TrafficConfig {
  const limit = (name: OptionName): number => values.integer(name, 0, 1_000_000);
  const proxies = values.text('TRUSTED_PROXIES');
  const trustedProxies = proxies === '' ? [] : proxies.split(',').map((entry) => entry.trim());
  for (const entry of trustedProxies) {
    const problem = proxyProblem(entry);
    if (problem !== null) values.problems.push(`TRUSTED_PROXIES: ${problem}`);
  }
  return {
    trustedProxies,
    perAddress: limit('RATE_PER_ADDRESS'),
    perTenant: limit('RATE_PER_TENANT'),
    perSubject: limit('RATE_PER_SUBJECT'),
    requestsOfTenant: limit('MAX_REQUESTS_PER_TENANT'),
    requestsOfSubject: limit('MAX_REQUESTS_PER_SUBJECT'),
    streamsOfTenant: limit('MAX_STREAMS_PER_TENANT'),
    subscriptionsOfTenant: limit('MAX_SUBSCRIPTIONS_PER_TENANT'),
    connectionsOfAddress: limit('MAX_CONNECTIONS_PER_ADDRESS'),
  };
}

/** Null: plain HTTP. */
function certificateFiles(values: OptionValues): HttpConfig['tls'] {
  const [certificate, key] = [values.text('TLS_CERT'), values.text('TLS_KEY')];
  if ((certificate === '') !== (key === '')) {
    values.problems.push('TLS_CERT and TLS_KEY belong together; set both or neither');
  }
  return certificate === '' ? null : { certificate: path.resolve(certificate), key: path.resolve(key) };
}

function publicUrl(values: OptionValues): string | null {
  const value = values.httpUrl('PUBLIC_URL');
  const parsed = value === null ? null : URL.parse(value);
  if (parsed && (parsed.username !== '' || parsed.password !== '' || /[?#]/.test(value ?? ''))) {
    values.problems.push('PUBLIC_URL must have no password, no ? and no #: https://example.com/lightning');
  }
  return parsed === null ? null : (parsed.origin + parsed.pathname).replace(/\/+$/, '');
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
