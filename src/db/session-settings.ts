import { commandLineSettings } from './command-line-settings.ts';

/** A connection string, and the settings that it contained. */
export interface SplitConnectionString {
  /** The string without its settings. */
  readonly connectionString: string;
  /**
   * The settings by name, in the order in which they take effect. `role` comes last, because it takes rights
   * away.
   */
  readonly settings: Readonly<Record<string, string>>;
}

/** Query parameters that node-postgres sends as startup parameters. */
const startupParameters = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];

/**
 * Takes the settings that would become startup parameters out of a connection string: `options=-c name=value`
 * and the timeouts. Poolers refuse startup parameters that they do not know, or ignore them silently. `options`
 * in another form stay in place, because some providers route connections by them (`options=endpoint=...`).
 */
export function splitSettings(connectionString: string): SplitConnectionString {
  const url = URL.parse(connectionString);
  // The string is not a URL: node-postgres knows other forms (a socket's path), which carry no settings.
  if (url === null) return { connectionString, settings: {} };
  const { role, ...settings } = Object.fromEntries([
    ...takeOptions(url),
    ...startupParameters.flatMap((name) => takeParameter(url, name)),
  ]);
  return {
    connectionString: url.href,
    settings: { ...settings, ...(role === undefined ? {} : { role }) },
  };
}

function takeOptions(url: URL): readonly (readonly [string, string])[] {
  const options = url.searchParams.get('options');
  const settings = options === null ? undefined : commandLineSettings(options);
  if (settings === undefined) return [];
  url.searchParams.delete('options');
  return settings;
}

function takeParameter(url: URL, name: string): [string, string][] {
  const value = url.searchParams.get(name);
  if (value === null) return [];
  url.searchParams.delete(name);
  return [[name, value]];
}
