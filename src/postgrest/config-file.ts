import path from 'node:path';
import { OperationalError } from '../operational-error.ts';

/** A value in a configuration file. */
export type ConfigFileValue = string | number | boolean;

/** A configuration file that cannot be read. The message names file, line and column, but never a value. */
export class ConfigFileError extends OperationalError {
  override name = 'ConfigFileError';
}

/** The sources that a configuration file may draw on. */
export interface ConfigFileSources {
  /** Throws what the file system throws. */
  readonly readText: (file: string) => string;
  /** Environment variables, for each `$(NAME)` that is not an earlier key. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads a file in PostgREST's configuration format. Each line holds a `key = value`. Values are strings in double
 * quotes with `\n \t \r \" \\ \uXXXX`, numbers, and `true` and `false` (`on` and `off`). `#` starts a comment. In
 * strings, `$(NAME)` is an earlier key or an environment variable, and `$$` is a dollar sign. `import "file"` reads
 * another file, and `group { key = value }` sets `group.key`. If a key occurs twice, the later one counts. Throws
 * ConfigFileError.
 */
export function readConfigFile(
  file: string,
  sources: ConfigFileSources,
): ReadonlyMap<string, ConfigFileValue> {
  const values = new Map<string, ConfigFileValue>();
  readInto(values, '', file, sources, []);
  return values;
}

function readInto(
  values: Map<string, ConfigFileValue>,
  prefix: string,
  file: string,
  sources: ConfigFileSources,
  importedBy: readonly string[],
): void {
  if (importedBy.includes(file)) throw new ConfigFileError(`${file} imports itself`);
  let text: string;
  try {
    text = sources.readText(file);
  } catch (error) {
    throw new ConfigFileError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const reader = new Reader(file, text);
  reader.directives(false, prefix, {
    bind: (key, value) =>
      values.set(
        key,
        typeof value === 'string' ? interpolate(value, key, values, sources.env, reader) : value,
      ),
    load: (name, within) =>
      readInto(values, within, path.resolve(path.dirname(file), name), sources, [...importedBy, file]),
  });
}

function interpolate(
  text: string,
  key: string,
  values: ReadonlyMap<string, ConfigFileValue>,
  env: Readonly<Record<string, string | undefined>>,
  reader: Reader,
): string {
  return text.replaceAll(/\$(\$|\(([^)]+)\))?/g, (_whole, form: string | undefined, name: string = '') => {
    if (form === '$') return '$';
    if (form === undefined) {
      throw reader.error(
        `the value of ${key} has a single $; write $$ for a dollar sign, $(NAME) for a variable`,
      );
    }
    const groups = key.split('.').slice(0, -1);
    for (let depth = groups.length; depth >= 0; depth--) {
      const value = values.get([...groups.slice(0, depth), name].join('.'));
      if (typeof value === 'boolean') throw reader.error(`$(${name}) in ${key} is neither text nor a number`);
      if (value !== undefined) return String(value);
    }
    const variable = env[name];
    if (variable === undefined) throw reader.error(`$(${name}) in ${key} is neither a key nor a variable`);
    return variable;
  });
}

interface Directives {
  bind(key: string, value: ConfigFileValue): void;
  load(file: string, prefix: string): void;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\' };

/** Reads the text once, from the front. */
class Reader {
  readonly #file: string;
  readonly #text: string;
  #at = 0;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
  }

  error(message: string): ConfigFileError {
    const before = this.#text.slice(0, this.#at).split('\n');
    const column = (before.at(-1)?.length ?? 0) + 1;
    return new ConfigFileError(`${this.#file}, line ${before.length}, column ${column}: ${message}`);
  }

  directives(inGroup: boolean, prefix: string, found: Directives): void {
    for (;;) {
      this.#match(/(?:\s|#(?!;)[^\r\n]*)*/y);
      if (inGroup && this.#match(/\}/y)) return;
      if (this.#at === this.#text.length) {
        if (inGroup) throw this.error('a group is not closed; } is missing');
        return;
      }
      // `#;` disables the directive that follows it.
      const isOff = this.#match(/#;[ \t]*/y) !== null;
      this.#directive(prefix, isOff ? { bind: () => {}, load: () => {} } : found);
      if (this.#match(/[ \t]*(?:#[^\r\n]*)?(?=\r?\n|\}|$)/y) === null) {
        throw this.error('the line should end after the value; text needs double quotes around it');
      }
    }
  }

  #directive(prefix: string, found: Directives): void {
    if (this.#match(/import(?![\p{L}\p{N}_.-])\s*/uy)) {
      found.load(this.#string(), prefix);
      return;
    }
    const key = this.#match(/\p{L}[\p{L}\p{N}_-]*(?:\.\p{L}[\p{L}\p{N}_-]*)*/uy);
    if (!key) throw this.error('a key is expected, such as db-uri');
    this.#match(/(?:\s|#[^\r\n]*)*/y);
    if (this.#match(/\{/y)) this.directives(true, `${prefix}${key}.`, found);
    else if (this.#match(/=(?:\s|#[^\r\n]*)*/y)) found.bind(prefix + key, this.#value());
    else throw this.error(`= is expected after ${key}`);
  }

  #value(): ConfigFileValue {
    const boolean = this.#match(/(?:true|false|on|off)(?![\p{L}\p{N}])/uy);
    if (boolean) return boolean === 'true' || boolean === 'on';
    const number = this.#match(/[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (number) return Number(number);
    return this.#string();
  }

  #string(): string {
    if (!this.#match(/"/y))
      throw this.error('a value is expected: text in double quotes, a number, true or false');
    let text = '';
    for (;;) {
      text += this.#match(/[^"\\]*/y);
      if (this.#match(/"/y)) return text;
      const quad = this.#match(/\\u[0-9a-fA-F]{4}/y);
      const escape = quad === null ? this.#match(/\\["\\ntr]/y) : null;
      if (quad) text += String.fromCharCode(Number.parseInt(quad.slice(2), 16));
      else if (escape) text += escapes[escape[1] ?? ''];
      else throw this.error('the text has no closing quote, or a \\ that is not followed by n t r u " or \\');
    }
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0] ?? null;
    if (match !== null) this.#at += match.length;
    return match;
  }
}
