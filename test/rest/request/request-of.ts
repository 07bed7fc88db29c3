import { parseRequest } from '../../../src/rest/request/parse-request.ts';
import type { ApiRequest } from '../../../src/rest/request/query.ts';
import type { RawRequest } from '../../../src/rest/request/raw-request.ts';
import { RestError } from '../../../src/rest/errors.ts';
import type { RestOptions } from '../../../src/rest/options.ts';

/** PostgREST's default options, with two schemas. */
export const restOptions: RestOptions = {
  schemas: ['api', 'other'],
  schemaAliases: new Map(),
  extraSearchPath: ['public'],
  maxRows: null,
  aggregatesEnabled: false,
  planEnabled: false,
  plannerCounts: true,
  preparedStatements: true,
  preRequest: null,
  rootSpec: null,
  tenantColumn: null,
  transactionEnd: 'commit',
  appSettings: [],
  hoistedSettings: [],
  openapi: {
    document: { version: '3.1' },
    mode: 'follow-privileges',
    securityActive: false,
    serverProxyUri: null,
  },
  traceHeader: null,
  serverTiming: false,
  errorVerbosity: 'verbose',
  legacyTargetNames: true,
  marksUnstorable: false,
  budgets: null,
  maxBodyBytes: 1_000_000,
};

export interface RequestParts {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** The raw request of a line such as `GET /films?select=id`, without any encoding or decoding. */
export function rawRequest(line: string, { headers = {}, body = '' }: RequestParts = {}): RawRequest {
  const space = line.indexOf(' ');
  const target = line.slice(space + 1);
  const mark = target.indexOf('?');
  return {
    method: line.slice(0, space),
    path: mark === -1 ? target : target.slice(0, mark),
    query: mark === -1 ? '' : target.slice(mark + 1),
    headers,
    body: Buffer.from(body),
  };
}

export function requestOf(
  line: string,
  parts: RequestParts = {},
  options: Partial<RestOptions> = {},
): ApiRequest {
  return parseRequest(rawRequest(line, parts), { ...restOptions, ...options });
}

/** The contents of a refusal. Throws when the request is not refused. */
export function refusalOf(
  line: string,
  parts: RequestParts = {},
  options: Partial<RestOptions> = {},
): Refusal {
  try {
    requestOf(line, parts, options);
  } catch (error) {
    if (!(error instanceof RestError)) throw error;
    const { status, code, message, details, hint } = error;
    return { status, code, message, details, hint };
  }
  throw new Error(`${line} was not refused`);
}

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly details: unknown;
  readonly hint: string | null;
}
