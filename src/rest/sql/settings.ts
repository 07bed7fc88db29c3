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

/** What a request's settings are made of. */
export interface SettingsSource {
  readonly raw: Pick<RawRequest, 'method' | 'path' | 'headers'>;
  readonly request: Pick<ApiRequest, 'schema' | 'preferences'>;
  /** Null: no table or function of the schema is touched (the OpenAPI document). */
  readonly plan: ReadAction | MutateAction | CallAction | null;
  readonly options: Pick<RestOptions, 'extraSearchPath' | 'appSettings' | 'hoistedSettings'>;
  /** `role`, `request.jwt.claims` and whatever else tells the database who is asking. */
  readonly requester: TransactionSettings;
  /** Of the requester's role; undefined: it has none. */
  readonly roleSettings: RoleSettings | undefined;
}

/**
 * The settings that a request runs under, in the order in which they are set. `search_path`, the requester's,
 * `request.method`, `.path`, `.headers` and `.cookies` are always there; the others when there are any: settings of the
 * role, `timezone` (Prefer), those of the function (hoisted), `app.settings.*`, and `transaction_read_only` for what only
 * reads. All are local to the transaction, so that what is not set here is as the login has it.
 *
 * The role's own settings come before the role: the login may have been granted to set what the role may not. PostgREST,
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
  // One object that grows: this runs for every request.
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

/** Calls the function that runs before every request, for what it raises or sets; its result is of no interest. */
export function preRequestStatement(name: QualifiedName, { preparedStatements }: RestOptions): Statement {
  return { ...toStatement(fragment`select ${qualified(name)}()`), prepare: preparedStatements };
}

function onlyReads(plan: SettingsSource['plan']): boolean {
  return plan === null || plan.kind === 'read' || (plan.kind === 'call' && plan.readOnly);
}

/** Name and value of each cookie, as they stand; of two of one name the later one counts. */
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
