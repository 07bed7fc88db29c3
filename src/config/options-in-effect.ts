import type { Environment, Variables } from '../environment.ts';
import { OptionValues } from './option-values.ts';
import { configOptions, fileVariable, reloadOf, secretNames } from './options.ts';
import type { OptionName, SecretName } from './options.ts';
import { ConfigError, parseConfig } from './parse-config.ts';
import { shownSecret, withoutPasswords } from './shown-value.ts';

/** An option, its value and where that came from. */
export interface OptionInEffect {
  readonly name: OptionName;
  /** Null: the option is not set and has no default, or it is a secret. A password within a URL is `[secret]`. */
  readonly value: string | null;
  /** `file`: from the file that `<name>_FILE` names. */
  readonly origin: 'default' | 'environment' | '.env' | 'file';
  /** The path of `.env`, or of the option's own file, when the value came from there; null otherwise. */
  readonly file: string | null;
  /** Whether it is set and its value is a secret. */
  readonly secret: boolean;
  /** What SIGHUP does with a new value: options.ts. */
  readonly reload: 'live' | 'file' | 'restart';
  /** A sentence for each fault that has to do with this option. */
  readonly problems: readonly string[];
}

/** The options of an environment, and what is wrong with them. */
export interface ConfigurationInEffect {
  /** In the order of the table. */
  readonly options: readonly OptionInEffect[];
  /** A sentence for each fault of the whole configuration. Not empty: no command starts with it. */
  readonly problems: readonly string[];
}

/**
 * Looks at every option of the table, in one walk, whether or not the values can be used. Nothing in the answer is a secret.
 */
export function configurationInEffect(environment: Environment): ConfigurationInEffect {
  const problems = problemsOf(environment.variables).map(withoutPasswords);
  const values = new OptionValues(environment.variables);
  const options = configOptions.map(({ name }): OptionInEffect => {
    const own = problems.filter((problem) => names(problem, name));
    const given = values.text(name);
    const secret = isSecret(name);
    const place = placeOf(name, environment);
    const value = secret ? shownSecret(given) : withoutPasswords(given) || null;
    return {
      name,
      // A private key may have been put in the place of the public one.
      value: name === 'BACKUP_PUBLIC_KEY' && own.length > 0 ? null : value,
      ...place,
      secret: given !== '' && secret,
      reload: reloadOf(name),
      problems: own,
    };
  });
  return { options, problems };
}

/** Whether the value of the option is a secret. */
function isSecret(name: OptionName): name is SecretName {
  return secretNames.some((each) => each === name);
}

function placeOf(
  name: OptionName,
  { variables, exported, dotEnv }: Environment,
): Pick<OptionInEffect, 'origin' | 'file'> {
  if (variables[name]) {
    return exported[name] === undefined
      ? { origin: '.env', file: dotEnv.path }
      : { origin: 'environment', file: null };
  }
  const file = isSecret(name) ? variables[fileVariable(name)] : undefined;
  return file ? { origin: 'file', file } : { origin: 'default', file: null };
}

function problemsOf(variables: Variables): readonly string[] {
  try {
    parseConfig(variables);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** Whether a sentence names the option, or its file. */
function names(problem: string, name: OptionName): boolean {
  return new RegExp(`(?<![A-Z0-9_])${name}(?:_FILE)?(?![A-Z0-9_])`).test(problem);
}
