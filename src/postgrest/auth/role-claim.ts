import { OperationalError } from '../../operational-error.ts';
import { findByJsonPath, JsonPathSyntaxError, parseJsonPath } from './json-path.ts';

/** Where a token says which role it is for. */
export interface RoleClaim {
  /** As it was configured. */
  readonly text: string;
  /** Written in the syntax before PostgREST 16, which will not be understood forever. */
  readonly deprecated: boolean;
  /** The value in the claims; undefined: none. */
  find(claims: Readonly<Record<string, unknown>>): unknown;
}

/** A location of the role that can be read neither way. The message says why, for both. */
export class RoleClaimError extends OperationalError {
  override name = 'RoleClaimError';
}

/**
 * Parses the location of the role: a JSON Path (`$.app.roles[0]`; the first of several values counts) or the older
 * `.app.roles[0]`, whose last step may be a filter of strings (PostgREST, Authentication, JWT Role Extraction). Throws
 * RoleClaimError.
 */
export function parseRoleClaim(text: string): RoleClaim {
  try {
    const path = parseJsonPath(text);
    return { text, deprecated: false, find: (claims) => findByJsonPath(path, claims)[0] };
  } catch (error) {
    if (!(error instanceof JsonPathSyntaxError)) throw error;
    const steps = parseDeprecated(text);
    if (steps !== null) return { text, deprecated: true, find: (claims) => walk(steps, claims) };
    throw new RoleClaimError(error.message, { cause: error });
  }
}

type Step =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'filter'; readonly operator: string; readonly text: string };

/** Null: not in this syntax. */
function parseDeprecated(text: string): Step[] | null {
  const steps: Step[] = [];
  const step =
    /\.(?:(?<plain>[\p{L}\p{N}_$@]+)|"(?<quoted>[^"]*)")|\[(?<index>\d+)\]|\[\?\(@\s*(?<operator>==\^|==|!=|\^==|\*==)\s*"(?<match>[^"]*)"\)\]$/uy;
  while (step.lastIndex < text.length || steps.length === 0) {
    const { plain, quoted, index, operator, match } = step.exec(text)?.groups ?? {};
    if (plain !== undefined || quoted !== undefined) steps.push({ kind: 'key', key: plain ?? quoted ?? '' });
    else if (index !== undefined) steps.push({ kind: 'index', index: Number(index) });
    else if (operator !== undefined) steps.push({ kind: 'filter', operator, text: match ?? '' });
    else return null;
  }
  return steps;
}

function walk(steps: readonly Step[], claims: Readonly<Record<string, unknown>>): unknown {
  let value: unknown = claims;
  for (const step of steps) {
    if (step.kind === 'key') {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
      if (!Object.hasOwn(value, step.key)) return undefined;
      value = (value as Readonly<Record<string, unknown>>)[step.key];
    } else if (!Array.isArray(value)) {
      return undefined;
    } else {
      value =
        step.kind === 'index'
          ? value[step.index]
          : value.find((item) => typeof item === 'string' && passes(item, step.operator, step.text));
    }
  }
  return value;
}

function passes(item: string, operator: string, text: string): boolean {
  switch (operator) {
    case '==':
      return item === text;
    case '!=':
      return item !== text;
    case '^==':
      return item.startsWith(text);
    case '==^':
      return item.endsWith(text);
    default:
      return item.includes(text);
  }
}
