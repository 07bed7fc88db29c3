import { quoteIdentifier } from '../../db/statement.ts';
import type { QualifiedName } from '../../schema-cache/identifier.ts';

/**
 * A piece of SQL with its values in place: pieces nest, and parameters get their numbers only when the whole is made a
 * statement. Made by the functions of this file alone, so that no text of a request can become SQL.
 */
export interface Fragment {
  /** What stands before, between and behind the parameters: one more than there are of these. */
  readonly texts: readonly string[];
  readonly parameters: readonly Parameter[];
}

/** Parameters that share a name get one number: Postgres then sees that two expressions are the same. */
interface Parameter {
  readonly value: unknown;
  readonly sharedName: string | null;
}

const noParameters: readonly Parameter[] = [];
const oneParameter = ['', ''];

/** No SQL at all. */
export const nothing: Fragment = { texts: [''], parameters: noParameters };

/** SQL from a template. Only fragments can stand in it: a value is one by `parameter`, a name by `identifier`. */
export function fragment(strings: TemplateStringsArray, ...inner: readonly Fragment[]): Fragment {
  return combined(strings, '', inner);
}

/** SQL as it stands: of this folder's own making, or from the catalog, which quotes it (types, defaults, functions). */
export function verbatim(text: string): Fragment {
  return { texts: [text], parameters: noParameters };
}

/** A value, of whatever type Postgres infers for it. Text, bytes, an array of texts, null, or a Placeholder. */
export function parameter(value: unknown): Fragment {
  return { texts: oneParameter, parameters: [{ value, sharedName: null }] };
}

/** A value that has one number however often it occurs, as the same expression in `select` and `order by` must. */
export function sharedParameter(value: string | number): Fragment {
  return {
    texts: oneParameter,
    parameters: [{ value: String(value), sharedName: `${typeof value} ${value}` }],
  };
}

/** A quoted name. Ends at a NUL, which no name can hold, and which would end the whole statement on the wire. */
export function identifier(name: string): Fragment {
  const end = name.indexOf('\0');
  return verbatim(quoteIdentifier(end < 0 ? name : name.slice(0, end)));
}

/** A relation's or function's name with its schema, or an alias, when the schema is empty. */
export function qualified({ schema, name }: QualifiedName): Fragment {
  return schema === '' ? identifier(name) : fragment`${identifier(schema)}.${identifier(name)}`;
}

/** Fragments one after the other, `separator` in between. */
export function join(fragments: readonly Fragment[], separator: string): Fragment {
  return combined(null, separator, fragments);
}

export function isNothing({ texts }: Fragment): boolean {
  return texts.length === 1 && texts[0] === '';
}

/** The text and the values in the order of their numbers. */
export function toStatement({ texts, parameters }: Fragment): {
  readonly text: string;
  readonly values: readonly unknown[];
} {
  const values: unknown[] = [];
  const numbers = new Map<string, number>();
  let text = texts[0] ?? '';
  for (const [i, { value, sharedName }] of parameters.entries()) {
    const known = sharedName === null ? undefined : numbers.get(sharedName);
    const number = known ?? values.push(value);
    if (sharedName !== null) numbers.set(sharedName, number);
    text += `$${number}${texts[i + 1] ?? ''}`;
  }
  return { text, values };
}

/**
 * `inner` with `around` between each and at both ends, or, when that is null, with `separator` between. By hand, and flat
 * at once: every request that writes makes some hundred of these, most of them without a parameter.
 */
function combined(around: readonly string[] | null, separator: string, inner: readonly Fragment[]): Fragment {
  let open = around?.[0] ?? '';
  let closed: string[] | null = null;
  let parameters: Parameter[] | null = null;
  for (let i = 0; i < inner.length; i++) {
    const piece = inner[i] as Fragment;
    const count = piece.parameters.length;
    if (around === null && i > 0) open += separator;
    open += piece.texts[0] as string;
    if (count > 0) {
      closed ??= [];
      parameters ??= [];
      closed.push(open);
      for (let j = 1; j < count; j++) closed.push(piece.texts[j] as string);
      for (let j = 0; j < count; j++) parameters.push(piece.parameters[j] as Parameter);
      open = piece.texts[count] as string;
    }
    if (around !== null) open += around[i + 1] as string;
  }
  if (closed === null || parameters === null) return { texts: [open], parameters: noParameters };
  closed.push(open);
  return { texts: closed, parameters };
}
