import { makeApp } from '../../src/api/app.ts';
import type { RequestRole } from '../../src/auth/claims.ts';
import { makeVerifyToken, signToken } from '../../src/auth/jwt.ts';
import type { TokenKeys } from '../../src/auth/token-keys.ts';
import { parseConfig } from '../../src/config/parse-config.ts';
import type { Database } from '../../src/db/database.ts';
import type { Embed } from '../../src/embeddings/embedding-client.ts';
import type { Readiness } from '../../src/api/health.ts';
import type { OnAnswered } from '../../src/http/answered-request.ts';
import { logRenewal } from '../../src/http/certificate.ts';
import type { CertificateFiles } from '../../src/http/certificate.ts';
import { logUnread } from '../../src/http/limits.ts';
import type { HttpLimits } from '../../src/http/limits.ts';
import { startHttpServer } from '../../src/api/server.ts';
import { requestBudgets } from '../../src/request-budget.ts';
import type { RequestBudget } from '../../src/request-budget.ts';
import type { RestConfig, TrafficConfig } from '../../src/config/config.ts';
import type { LogEntry } from '../../src/log.ts';
import { installationIn } from './installation.ts';
import { keysOf, usualRules } from './token-keys.ts';

/** The secret that signs the tests' tokens. */
export const testSecret = 'a secret of the tests, longer than 32 bytes';

/** The API on a free port of the loopback interface. `close` it before the database. */
export interface RunningApp {
  readonly url: string;
  /** The log so far. */
  readonly logged: LogEntry[];
  /** Posts a GraphQL request, without a token when `token` is null. */
  graphql(token: string | null, query: string, variables?: object): Promise<GraphqlAnswer>;
  /** @param drainMs see HttpServer */
  close(drainMs?: number): Promise<void>;
}

/** The parts of an answer that tests look at. */
export interface GraphqlAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly data: Record<string, never> | null | undefined;
  readonly errors: readonly AnsweredError[] | undefined;
}

/** One entry of `errors`. */
export interface AnsweredError {
  readonly message: string;
  readonly extensions: { readonly code: string; readonly requestId?: string };
}

/** The settings in which a test's app may differ from the usual. */
export interface AppOptions {
  readonly maxBodyBytes?: number;
  readonly budget?: Partial<RequestBudget>;
  readonly corsOrigins?: readonly string[];
  readonly publicUrl?: string;
  readonly tls?: CertificateFiles;
  readonly shutdownMs?: number;
  readonly limits?: HttpLimits;
  readonly isReady?: () => Promise<Readiness>;
  readonly rest?: Partial<RestConfig>;
  readonly traffic?: Partial<TrafficConfig>;
  readonly showsSchemaToAll?: boolean;
  readonly showsHealthToAll?: boolean;
  readonly embed?: Embed;
  readonly onAnswered?: OnAnswered;
  /** Default: the key of `testSecret`. */
  readonly tokenKeys?: TokenKeys;
}

/** Starts the API on a migrated database. */
export async function startApp(database: Database, options: AppOptions = {}): Promise<RunningApp> {
  const logged: LogEntry[] = [];
  const config = parseConfig({}).http;
  const tokenKeys = options.tokenKeys ?? keysOf(testSecret);
  const app = await makeApp({
    installation: installationIn(database),
    verifyToken: makeVerifyToken(tokenKeys, usualRules),
    watchKey: tokenKeys.watch,
    secrets: [Buffer.from(testSecret)],
    budgets: requestBudgets(
      { ...config.budgets.identified, bodyBytes: options.maxBodyBytes ?? 1_048_576, ...options.budget },
      25,
    ),
    pages: config.pages,
    publicUrl: options.publicUrl ?? null,
    corsOrigins: options.corsOrigins ?? null,
    isHttps: options.tls !== undefined,
    isKept: true,
    showsSchemaToAll: options.showsSchemaToAll ?? true,
    showsHealthToAll: options.showsHealthToAll ?? true,
    traffic: { ...config.traffic, ...options.traffic },
    rest: { maxRows: 1000, logStatements: false, plans: false, ...options.rest },
    embed: options.embed ?? null,
    isReady: options.isReady ?? (async () => ({ ready: true })),
    log: (entry) => logged.push(entry),
    onAnswered: options.onAnswered ?? (() => {}),
  });
  const server = await startHttpServer(app, {
    host: '127.0.0.1',
    port: 0,
    shutdownMs: options.shutdownMs ?? 5_000,
    ...(options.limits && { limits: options.limits }),
    ...(options.tls && { tls: options.tls }),
    onRenewal: (failure) => logRenewal(failure, (entry) => logged.push(entry)),
    onUnread: (address) => logUnread(address, (entry) => logged.push(entry)),
  });
  return {
    url: server.url,
    logged,
    graphql: (token, query, variables) => post(server.url, token, JSON.stringify({ query, variables })),
    close: (drainMs) => server.close(drainMs),
  };
}

/** Posts a raw body to /graphql. */
export async function post(url: string, token: string | null, body: string): Promise<GraphqlAnswer> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== null && { authorization: `Bearer ${token}` }),
    },
    body,
  });
  const { data, errors } = (await response.json()) as GraphqlAnswer;
  return { status: response.status, headers: response.headers, data, errors };
}

/**
 * A token signed with the tests' secret. It is valid for an hour by default; a negative lifetime means that it has
 * expired.
 */
export function testToken(
  role: RequestRole = 'service',
  tenantId: string | null = role === 'operator' ? null : 'default',
  lifetimeSeconds: number | null = 3_600,
): Promise<string> {
  const request = { role, tenantId, subject: `test ${role}`, lifetimeSeconds };
  return signToken(testSecret, request, new Date());
}
