import type { Variables } from '../environment.ts';
import { configOptions } from './options.ts';
import type { OptionName, SecretName } from './options.ts';
import { Secret } from './secret.ts';
import { withSecretFiles } from './secret-files.ts';

/**
 * The values of options in an environment. A value that cannot be used adds a sentence to `problems`, and is
 * still returned in some form.
 */
export class OptionValues {
  readonly problems: string[] = [];
  readonly #env: Variables;

  constructor(env: Variables) {
    this.#env = withSecretFiles(env, this.problems);
  }

  /** Empty: the option is not set and has no default. An empty value counts as absent. */
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
        `${name} is ${JSON.stringify(value)}; expected a whole number from ${least} to ${most}`,
      );
    }
    return number;
  }

  /** Undefined: the value is empty, or is not allowed. */
  choice<const T extends string>(name: OptionName, allowed: readonly T[]): T | undefined {
    const value = this.text(name);
    const found = allowed.find((each) => each === value);
    if (found === undefined && value !== '') {
      this.problems.push(`${name} is ${JSON.stringify(value)}; expected one of ${allowed.join(', ')}`);
    }
    return found;
  }

  flag(name: OptionName): boolean {
    return this.choice(name, ['true', 'false']) === 'true';
  }

  /** Null: the value is empty. */
  secret(name: SecretName): Secret | null {
    const value = this.text(name);
    return value === '' ? null : new Secret(value);
  }

  /** The URL of a database; null: the value is empty. */
  databaseUrl(name: SecretName): Secret | null {
    const value = this.text(name);
    if (value === '') return null;
    const parsed = URL.parse(value);
    if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol) || parsed.pathname.length < 2) {
      // The value is left out of the message, because it may hold a password.
      this.problems.push(`${name} must have the form postgres://user:password@host:5432/database`);
    }
    return new Secret(value);
  }

  /** A URL without slashes at the end; null: the value is empty. */
  httpUrl(name: OptionName): string | null {
    const value = this.text(name);
    if (value === '') return null;
    const parsed = URL.parse(value);
    if (!parsed || !/^https?:$/.test(parsed.protocol)) {
      this.problems.push(`${name} must have the form https://host/path`);
    }
    return value.replace(/\/+$/, '');
  }
}
