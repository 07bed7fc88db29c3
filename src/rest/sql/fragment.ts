import { quoteIdentifier } from '../../db/statement.ts';
import type { QualifiedName } from '../../schema-cache/identifier.ts';

/**
 * A piece of SQL with its values in place. Pieces nest, and parameters are numbered only when the whole becomes a
 * statement. Only the functions of this file make fragments, so no text of a request can become SQL.
 */
export interface Fragment {
  /** The texts before, between and after the parameters: one more than there are parameters. */
  readonly texts: readonly string[];
  readonly parameters: readonly Parameter[];
}

/** A parameter. Those that share a name get one number, so that Postgres sees that two expressions are the same. */
interface Parameter {
  readonly value: unknown;
  readonly sharedName: string | null;
}

const noParameters: readonly Parameter[] = [];
const oneParameter = ['', ''];

/** An empty piece of SQL. */
export const nothing: Fragment = { texts: [''], parameters: noParameters };

/** SQL from a template. It can contain only fragments: `parameter` makes one of a value, `identifier` of a name. */
export function fragment(strings: TemplateStringsArray, ...inner: readonly Fragment[]): Fragment {
  return combined(strings, '', inner);
}

/** SQL as it stands: written in this folder, or quoted by the catalog (types, defaults, functions). */
export function verbatim(text: string): Fragment {
  return { texts: [text], parameters: noParameters };
}

/** A value of the type that Postgres infers for it: text, bytes, an array of texts, null, or a Placeholder. */
export function parameter(value: unknown): Fragment {
  return { texts: oneParameter, parameters: [{ value, sharedName: null }] };
}

/** A value with one number however often it occurs, as the same expression in `select` and `order by` must have. */
export function sharedParameter(value: string | number): Fragment {
  return {
    texts: oneParameter,
    parameters: [{ value: String(value), sharedName: `${typeof value} ${value}` }],
  };
}

/** A quoted name. It is cut at a NUL, which no name can hold, and which would end the whole statement on the wire. */
export function identifier(name: string): Fragment {
  const end = name.indexOf('\0');
  return verbatim(quoteIdentifier(end < 0 ? name : name.slice(0, end)));
}

/** The name of a relation or function with its schema; if the schema is empty, an alias. */
export function qualified({ schema, name }: QualifiedName): Fragment {
  return schema === '' ? identifier(name) : fragment`${identifier(schema)}.${identifier(name)}`;
}

/** Fragments one after the other, with `separator` in between. */
export function join(fragments: readonly Fragment[], separator: string): Fragment {
  return combined(null, separator, fragments);
}

export function isNothing({ texts }: Fragment): boolean {
  return texts.length === 1 && texts[0] === '';
}

/** The text, and the values in the order of their numbers. */
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
 * The fragments in `inner`, with `around` between them and at both ends, or with `separator` between them if `around`
 * is null. Written by hand, and flat at once: every request that writes makes some hundred of these, most without a
 * parameter.
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
