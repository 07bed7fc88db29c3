import { commandLineSettings } from '../../db/command-line-settings.ts';
import { startupSetting } from './session-state.ts';
import type { Setting } from './session-state.ts';
import { speaksUtf8 } from '../sql/sql-text.ts';
import type { Report } from '../wire.ts';

/** The result of a startup packet: the settings that it asks for, or the reason for its refusal. */
export type Admission =
  | {
      readonly kind: 'admitted';
      readonly settings: readonly Setting[];
      readonly unknownOptions: readonly string[];
    }
  | { readonly kind: 'refused'; readonly report: Report };

/**
 * Decides about the parameters of a startup packet. `defaults` are the engine's own settings; a client that
 * asks for those gets no setting.
 */
export function admit(
  parameters: ReadonlyMap<string, string>,
  defaults: ReadonlyMap<string, string>,
): Admission {
  const user = parameters.get('user') ?? '';
  const database = parameters.get('database') ?? user;
  if (user !== 'postgres') {
    return refused(
      '28000',
      `role "${user}" cannot log in: the embedded database has one login, "postgres"`,
      'Connect with -U postgres, then `set role` to act as another role.',
    );
  }
  if (database !== 'postgres') {
    return refused('3D000', `database "${database}" does not exist`, 'The only database is "postgres".');
  }
  if (!['', 'false', 'off', 'no', '0'].includes(parameters.get('replication') ?? '')) {
    return refused(
      '0A000',
      'the embedded database does not replicate',
      'Use a Postgres server (DATABASE_URL).',
    );
  }
  const wanted = new Map<string, string>();
  const unknownOptions: string[] = [];
  for (const [name, value] of parameters) {
    if (name === 'user' || name === 'database' || name === 'replication') continue;
    if (name.startsWith('_pq_.')) unknownOptions.push(name);
    else if (name === 'options') {
      const options = commandLineSettings(value);
      if (!options) return refused('22023', `expected options of the form -c name=value, got: ${value}`);
      for (const [option, setting] of options) wanted.set(option, setting);
    } else wanted.set(name.toLowerCase(), value);
  }
  const encoding = wanted.get('client_encoding');
  if (encoding !== undefined && !speaksUtf8(encoding)) {
    return refused(
      '0A000',
      `client_encoding ${encoding} is not supported: the embedded database speaks UTF8 only`,
    );
  }
  wanted.delete('client_encoding');
  const known = new Map([...defaults].map(([name, value]) => [name.toLowerCase(), value]));
  const settings = [...wanted]
    .filter(([name, value]) => known.get(name) !== value)
    .map(([name, value]) => startupSetting(name, value));
  return { kind: 'admitted', settings, unknownOptions };
}

function refused(code: string, message: string, hint?: string): Admission {
  return {
    kind: 'refused',
    report: { severity: 'FATAL', code, message, ...(hint === undefined ? {} : { hint }) },
  };
}
