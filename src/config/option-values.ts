import type { Variables } from '../environment.ts';
import { configOptions } from './options.ts';
import type { OptionName } from './options.ts';
import { Secret } from './secret.ts';

/** The values of options in an environment. What cannot be used becomes a sentence in `problems`, and some value all the same. */
export class OptionValues {
  readonly problems: string[] = [];
  readonly #env: Variables;

  constructor(env: Variables) {
    this.#env = env;
  }

  /** Empty: neither set nor with a default. An empty value counts as absent. */
  text(name: OptionName): string {
    const value = this.#env[name];
    if (value !== undefined && value !== '') return value;
    return configOptions.find((option) => option.name === name)?.fallback ?? '';
  }

  integer(name: OptionName, least: number, most: number): number {
    const value = this.text(name);
    const number = /^\d+$/.test(value) ? Number(value) : NaN;
    if (!(number >= least && number <= most)) {
      this.problems.push(
        `${name} is ${JSON.stringify(value)}; a whole number from ${least} to ${most} is needed`,
      );
    }
    return number;
  }

  /** Undefined: empty, or not allowed. */
  choice<const T extends string>(name: OptionName, allowed: readonly T[]): T | undefined {
    const value = this.text(name);
    const found = allowed.find((each) => each === value);
    if (found === undefined && value !== '') {
      this.problems.push(`${name} is ${JSON.stringify(value)}; allowed are ${allowed.join(', ')}`);
    }
    return found;
  }

  flag(name: OptionName): boolean {
    return this.choice(name, ['true', 'false']) === 'true';
  }

  /** Null: empty. */
  secret(name: OptionName): Secret | null {
    const value = this.text(name);
    return value === '' ? null : new Secret(value);
  }

  /** The URL of a database; null: empty. */
  databaseUrl(name: OptionName): Secret | null {
    const value = this.text(name);
    if (value === '') return null;
    const parsed = URL.parse(value);
    if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol) || parsed.pathname.length < 2) {
      // The value itself may hold a password.
      this.problems.push(`${name} is not of the form postgres://user:password@host:5432/database`);
    }
    return new Secret(value);
  }

  /** Without slashes at the end; null: empty. */
  httpUrl(name: OptionName): string | null {
    const value = this.text(name);
    if (value === '') return null;
    const parsed = URL.parse(value);
    if (!parsed || !/^https?:$/.test(parsed.protocol)) {
      this.problems.push(`${name} is not of the form https://host/path`);
    }
    return value.replace(/\/+$/, '');
  }
}
