import { OperationalError } from '../../operational-error.ts';
import { findByJsonPath, JsonPathSyntaxError, parseJsonPath } from './json-path.ts';

/** The place of the role in a token's claims. */
export interface RoleClaim {
  /** The text as configured. */
  readonly text: string;
  /** The text uses the syntax before PostgREST 16, which will not be supported forever. */
  readonly deprecated: boolean;
  /** The value in the claims; undefined if they have none. */
  find(claims: Readonly<Record<string, unknown>>): unknown;
}

/** A text that neither syntax can read as the place of the role. The message gives the reason for each. */
export class RoleClaimError extends OperationalError {
  override name = 'RoleClaimError';
}

/**
 * Parses the place of the role: a JSON Path (`$.app.roles[0]`, which may find several values: the first counts), or the
 * older `.app.roles[0]`, whose last step may filter strings (PostgREST, Authentication, JWT Role Extraction). Throws
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

/** Null: the text is not in this syntax. */
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
