import type { Variables } from '../environment.ts';
import type { Config } from './config.ts';
import { OptionValues } from './option-values.ts';
import { configOptions, fileVariable, reloadOf, secretNames } from './options.ts';
import type { OptionName } from './options.ts';
import { ConfigError, parseConfig } from './parse-config.ts';

/** The values that a running process has, by option. Holds secrets: it is compared and never shown. */
export type ValuesInEffect = ReadonlyMap<OptionName, ValueInEffect>;

interface ValueInEffect {
  /** Empty: the option is not set and has no default. */
  readonly text: string;
  /** The file that the text came from; null: none. */
  readonly file: string | null;
}

/** The outcome of reading the configuration anew. */
export type Reload =
  | { readonly kind: 'refused'; readonly problems: readonly string[] }
  | {
      readonly kind: 'read';
      /** The configuration to go on with: the new values of the options that are `live`, and the former ones of all others. */
      readonly config: Config;
      readonly values: ValuesInEffect;
      /** The options that changed and take effect now. */
      readonly inEffect: readonly OptionName[];
      /** The options whose file changed, which is followed anyway. */
      readonly followed: readonly OptionName[];
      /** The options that changed and keep their former value until the process is started again. */
      readonly needRestart: readonly OptionName[];
    };

/** Reads the values of an environment that `parseConfig` accepts. */
export function valuesIn(variables: Variables): ValuesInEffect {
  const values = new OptionValues(variables);
  return new Map(
    configOptions.map(({ name }) => {
      const file = secretNames.some((each) => each === name) ? variables[fileVariable(name)] : undefined;
      return [name, { text: values.text(name), file: file || null }];
    }),
  );
}

/**
 * Decides what of an environment that was read anew takes effect in a process that has `before`. An environment that is not valid as a
 * whole changes nothing.
 */
export function reload(before: ValuesInEffect, variables: Variables): Reload {
  try {
    parseConfig(variables);
    const now = valuesIn(variables);
    const changed = configOptions.map(({ name }) => name).filter((name) => differ(before, now, name));
    const followed = changed.filter(
      (name) => reloadOf(name) === 'file' && before.get(name)?.file !== null && sameFile(before, now, name),
    );
    const inEffect = changed.filter((name) => reloadOf(name) === 'live');
    const adopted = new Set<OptionName>([...inEffect, ...followed]);
    const values = new Map(
      configOptions.map(({ name }) => [name, (adopted.has(name) ? now : before).get(name)!]),
    );
    return {
      kind: 'read',
      config: parseConfig(withValues(variables, values)),
      values,
      inEffect,
      followed,
      needRestart: changed.filter((name) => !adopted.has(name)),
    };
  } catch (error) {
    if (error instanceof ConfigError) return { kind: 'refused', problems: error.problems };
    throw error;
  }
}

function differ(before: ValuesInEffect, now: ValuesInEffect, name: OptionName): boolean {
  return before.get(name)?.text !== now.get(name)?.text || !sameFile(before, now, name);
}

function sameFile(before: ValuesInEffect, now: ValuesInEffect, name: OptionName): boolean {
  return before.get(name)?.file === now.get(name)?.file;
}

/** The variables with these values in place of their own, and without files, which may have changed since they were read. */
function withValues(variables: Variables, values: ValuesInEffect): Variables {
  return {
    ...variables,
    ...Object.fromEntries(secretNames.map((name) => [fileVariable(name), undefined])),
    ...Object.fromEntries([...values].map(([name, { text }]) => [name, text])),
  };
}
