import type { TransactionSettings } from '../../db/database.ts';
import { quoteIdentifier } from '../../db/statement.ts';
import type { Statement } from '../../db/statement.ts';
import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { RoleSettings } from '../../schema-cache/schema-cache.ts';
import type { RestOptions } from '../options.ts';
import type { CallAction, MutateAction, ReadAction } from '../plan/plan.ts';
import { decodeHeader } from '../request/percent-encoding.ts';
import type { ApiRequest } from '../request/query.ts';
import type { RawRequest } from '../request/raw-request.ts';
import { fragment, qualified, toStatement } from './fragment.ts';

/** The sources of a request's settings. */
export interface SettingsSource {
  readonly raw: Pick<RawRequest, 'method' | 'path' | 'headers'>;
  readonly request: Pick<ApiRequest, 'schema' | 'preferences'>;
  /** Null: the request touches no table or function of the schema (the OpenAPI document). */
  readonly plan: ReadAction | MutateAction | CallAction | null;
  readonly options: Pick<RestOptions, 'extraSearchPath' | 'appSettings' | 'hoistedSettings'>;
  /** `role`, `request.jwt.claims` and whatever else tells the database who the requester is. */
  readonly requester: TransactionSettings;
  /** Settings of the requester's role; undefined: it has none. */
  readonly roleSettings: RoleSettings | undefined;
}

/**
 * The connection settings that a request runs under, in the order in which they are set. `search_path`, the
 * requester's settings, and `request.method`, `.path`, `.headers` and `.cookies` are always set. The others are set
 * if they exist: the role's settings, `timezone` (Prefer), the function's hoisted settings, `app.settings.*`, and
 * `transaction_read_only` for requests that only read. All are local to the transaction, so any other setting keeps
 * the login's value.
 *
 * The role's own settings come before the role, because the login may set some that the role may not. PostgREST,
 * Transactions.
 */
export function requestSettings({
  raw,
  request,
  plan,
  options,
  requester,
  roleSettings,
}: SettingsSource): TransactionSettings {
  const { timezone } = request.preferences;
  const { cookie } = raw.headers;
  const headers = cookie === undefined ? raw.headers : { ...raw.headers, cookie: undefined };
  // One object that grows, because this runs for every request.
  const settings: Record<string, string> = {
    search_path: [request.schema, ...options.extraSearchPath].map(quoteIdentifier).join(', '),
  };
  for (const [name, value] of roleSettings?.settings ?? []) settings[name] = value;
  Object.assign(settings, requester);
  settings['request.method'] = raw.method;
  settings['request.path'] = raw.path;
  settings['request.headers'] = decodeHeader(JSON.stringify(headers));
  settings['request.cookies'] =
    cookie === undefined ? '{}' : JSON.stringify(Object.fromEntries(cookies(decodeHeader(cookie))));
  if (timezone !== null) settings['timezone'] = timezone;
  if (plan?.kind === 'call') {
    const hoisted = new Set(options.hoistedSettings.map((name) => name.toLowerCase()));
    for (const [name, value] of plan.callPlan.routine.settings) {
      if (hoisted.has(name.toLowerCase())) settings[name] = value;
    }
  }
  for (const [name, value] of options.appSettings) settings[name] = value;
  if (onlyReads(plan)) settings['transaction_read_only'] = 'on';
  return settings;
}

/** Calls the function that runs before every request, for its errors and settings; its result is ignored. */
export function preRequestStatement(name: QualifiedName, { preparedStatements }: RestOptions): Statement {
  return { ...toStatement(fragment`select ${qualified(name)}()`), prepare: preparedStatements };
}

function onlyReads(plan: SettingsSource['plan']): boolean {
  return plan === null || plan.kind === 'read' || (plan.kind === 'call' && plan.readOnly);
}

/** Name and value of each cookie, unchanged; if a name occurs twice, the later value counts. */
function cookies(header: string): (readonly [name: string, value: string])[] {
  return header
    .split(';')
    .map((pair) => pair.trimStart())
    .filter((pair) => pair !== '')
    .map((pair) => {
      const end = pair.indexOf('=');
      return end < 0 ? ([pair, ''] as const) : ([pair.slice(0, end), pair.slice(end + 1)] as const);
    });
}
