import { quoteIdentifier } from '../../db/statement.ts';
import type { Statement } from '../../db/statement.ts';
import type { QualifiedName } from '../../schema-cache/identifier.ts';

/**
 * A piece of SQL with its values in place: pieces nest, and parameters get their numbers only when the whole is made a
 * statement. Made by the functions of this file alone, so that no text of a request can become SQL.
 */
export interface Fragment {
  readonly parts: readonly (string | Fragment | Parameter)[];
}

/** Parameters that share a name get one number: Postgres then sees that two expressions are the same. */
interface Parameter {
  readonly value: unknown;
  readonly sharedName: string | null;
}

/** No SQL at all. */
export const nothing: Fragment = { parts: [] };

/** SQL from a template. Only fragments can stand in it: a value is one by `parameter`, a name by `identifier`. */
export function fragment(strings: TemplateStringsArray, ...inner: readonly Fragment[]): Fragment {
  const parts: (string | Fragment)[] = [];
  for (const [i, text] of strings.entries()) {
    if (text !== '') parts.push(text);
    const next = inner[i];
    if (next) parts.push(next);
  }
  return { parts };
}

/** SQL as it stands: of this folder's own making, or from the catalog, which quotes it (types, defaults, functions). */
export function verbatim(text: string): Fragment {
  return { parts: [text] };
}

/** A value, of whatever type Postgres infers for it. Text, bytes, an array of texts, null, or a Placeholder. */
export function parameter(value: unknown): Fragment {
  return { parts: [{ value, sharedName: null }] };
}

/** A value that has one number however often it occurs, as the same expression in `select` and `order by` must. */
export function sharedParameter(value: string | number): Fragment {
  return { parts: [{ value: String(value), sharedName: `${typeof value} ${value}` }] };
}

/** A quoted name. Ends at a NUL, which no name can hold, and which would end the whole statement on the wire. */
export function identifier(name: string): Fragment {
  const end = name.indexOf('\0');
  return { parts: [quoteIdentifier(end < 0 ? name : name.slice(0, end))] };
}

/** A relation's or function's name with its schema, or an alias, when the schema is empty. */
export function qualified({ schema, name }: QualifiedName): Fragment {
  return schema === '' ? identifier(name) : fragment`${identifier(schema)}.${identifier(name)}`;
}

/** Fragments one after the other, `separator` in between. */
export function join(fragments: readonly Fragment[], separator: string): Fragment {
  const parts: (string | Fragment)[] = [];
  for (const [i, next] of fragments.entries()) {
    if (i > 0) parts.push(separator);
    parts.push(next);
  }
  return { parts };
}

export function isNothing(piece: Fragment): boolean {
  return piece.parts.length === 0;
}

/** The text and the values in the order of their numbers. */
export function toStatement(
  whole: Fragment,
): Pick<Statement, 'text'> & { readonly values: readonly unknown[] } {
  const values: unknown[] = [];
  const numbers = new Map<string, number>();
  let text = '';
  const add = (piece: Fragment): void => {
    for (const part of piece.parts) {
      if (typeof part === 'string') text += part;
      else if ('parts' in part) add(part);
      else text += `$${numberOf(part)}`;
    }
  };
  const numberOf = ({ value, sharedName }: Parameter): number => {
    const known = sharedName === null ? undefined : numbers.get(sharedName);
    if (known !== undefined) return known;
    const number = values.push(value);
    if (sharedName !== null) numbers.set(sharedName, number);
    return number;
  };
  add(whole);
  return { text, values };
}
