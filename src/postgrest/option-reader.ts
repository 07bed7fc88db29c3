import type { ConfigFileValue } from './config-file.ts';
import { databaseName, environmentName, postgrestOptions } from './option-list.ts';
import type { PostgrestOptionName } from './option-list.ts';
import type { PostgrestOption } from './option.ts';

/** Sources of options. If several set an option, the database's value counts, then the environment's. */
export interface OptionSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Values of the configuration file; empty without a file. */
  readonly file: ReadonlyMap<string, ConfigFileValue>;
  /** By name with underscores and without `pgrst.`; empty: not read yet, or not wanted. */
  readonly database: ReadonlyMap<string, string>;
}

/**
 * Reads typed values and collects what is wrong with them: a `problem` prevents the start, a `warning` does not. A
 * value that PostgREST would silently replace by its default, such as a number that is not one, is a warning here.
 */
export class OptionReader {
  readonly problems: string[] = [];
  readonly warnings: string[] = [];
  readonly #sources: OptionSources;

  constructor(sources: OptionSources) {
    this.#sources = sources;
  }

  /** Null: not set, and without a default. */
  text(name: PostgrestOptionName): string | null {
    const { type, fallback } = option(name);
    const value = this.#found(name)?.value ?? null;
    if (value === null || (value === '' && type !== 'text-or-empty'))
      return fallback === '' ? null : fallback;
    return value;
  }

  /** One of `allowed`; the first is the default. */
  choice<const T extends string>(name: PostgrestOptionName, allowed: readonly [T, ...T[]]): T {
    const value = this.text(name);
    if (value === null) return allowed[0];
    const known = allowed.find((each) => each === value);
    if (known === undefined) {
      this.problem(name, `is ${JSON.stringify(value)}; allowed are ${allowed.join(', ')}`);
      return allowed[0];
    }
    return known;
  }

  /** A comma-separated list of names, each trimmed. */
  list(name: PostgrestOptionName): string[] {
    const value = this.text(name) ?? '';
    return value === '' ? [] : value.split(',').map((item) => item.trim());
  }

  /** Null: not set, and without a default. */
  number(name: PostgrestOptionName, least: number, most: number): number | null {
    const { fallback } = option(name);
    const byDefault = fallback === '' ? null : Number(fallback);
    const value = this.#found(name)?.value ?? '';
    if (value === '') return byDefault;
    if (!/^\s*-?\d+(?:\.0+)?\s*$/.test(value)) {
      this.warn(name, `is ${JSON.stringify(value)}, not a whole number: ${byDefault ?? 'nothing'} is used`);
      return byDefault;
    }
    const number = Number(value);
    if (number < least || number > most) {
      this.problem(name, `is ${value.trim()}; a whole number from ${least} to ${most} is needed`);
    }
    return number;
  }

  /** `true` or `false`, in any case and with any marks around it; a number is true if it is positive. */
  boolean(name: PostgrestOptionName): boolean {
    const byDefault = option(name).fallback === 'true';
    const value = this.#found(name)?.value ?? '';
    if (value === '') return byDefault;
    const word = value.replaceAll(/[^\p{L}]/gu, '').toLowerCase();
    if (word === 'true' || word === 'false') return word === 'true';
    if (/^\s*-?\d+\s*$/.test(value)) return Number(value) > 0;
    this.warn(name, `is ${JSON.stringify(value)}, neither true nor false: ${byDefault} is used`);
    return byDefault;
  }

  problem(name: PostgrestOptionName, sentence: string): void {
    this.problems.push(`${this.#origin(name)} ${sentence}`);
  }

  warn(name: PostgrestOptionName, sentence: string): void {
    this.warnings.push(`${this.#origin(name)} ${sentence}`);
  }

  #origin(name: PostgrestOptionName): string {
    return this.#found(name)?.origin ?? environmentName(name);
  }

  /**
   * The value and the name that set it. An option's own name goes before its aliases, in whichever source they are
   * set.
   */
  #found(name: PostgrestOptionName): { value: string; origin: string } | null {
    const { env, file, database } = this.#sources;
    const { aliases = [], inDatabase } = option(name);
    for (const each of [name, ...aliases]) {
      const inDb = inDatabase ? database.get(databaseName(each)) : undefined;
      if (inDb !== undefined) return { value: inDb, origin: `pgrst.${databaseName(each)}` };
      const variable = env[environmentName(each)];
      if (variable !== undefined) return { value: variable, origin: environmentName(each) };
      const key = file.get(each);
      if (key !== undefined) return { value: String(key), origin: each };
    }
    return null;
  }
}

/** A warning for each `PGRST_` variable and each key of the file that is not an option. */
export function unknownNames({ env, file }: OptionSources): string[] {
  const names = postgrestOptions.flatMap((each: PostgrestOption) => [each.name, ...(each.aliases ?? [])]);
  const [keys, variables] = [new Set(names), new Set(names.map(environmentName))];
  return [
    ...Object.keys(env).filter(
      (name) => name.startsWith('PGRST_') && !name.startsWith('PGRST_APP_SETTINGS_') && !variables.has(name),
    ),
    ...[...file.keys()].filter((name) => !name.startsWith('app.settings.') && !keys.has(name)),
  ].map((name) => `${name} is not an option; it does nothing`);
}

function option(name: PostgrestOptionName): PostgrestOption {
  const found: PostgrestOption | undefined = postgrestOptions.find((each) => each.name === name);
  if (found === undefined) throw new Error(`unknown option ${name}`);
  return found;
}
