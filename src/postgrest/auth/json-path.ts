import { JsonPathSyntaxError, parseJsonPath } from './json-path-syntax.ts';
import type {
  Comparable,
  Condition,
  JsonPath,
  SearchArgument,
  Segment,
  Selector,
} from './json-path-syntax.ts';

export { JsonPathSyntaxError, parseJsonPath };
export type { JsonPath };

/**
 * The values that a JSON Path (RFC 9535) finds in a document, in its order; empty if it finds none. `search()` is the
 * only one of the standard's functions, as in PostgREST (Authentication, JWT Role Extraction).
 */
export function findByJsonPath(path: JsonPath, document: unknown): unknown[] {
  return follow(path, document, document);
}

function follow(path: JsonPath, root: unknown, current: unknown): unknown[] {
  let found: unknown[] = [path.from === '$' ? root : current];
  for (const segment of path.segments) found = found.flatMap((value) => step(segment, root, value));
  return found;
}

function step({ descendants, selectors }: Segment, root: unknown, value: unknown): unknown[] {
  const from = descendants ? withDescendants(value) : [value];
  return from.flatMap((each) => selectors.flatMap((selector) => select(selector, root, each)));
}

function withDescendants(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null
    ? [value, ...Object.values(value).flatMap(withDescendants)]
    : [];
}

function select(selector: Selector, root: unknown, value: unknown): unknown[] {
  switch (selector.kind) {
    case 'name':
      return isObject(value) && Object.hasOwn(value, selector.name) ? [value[selector.name]] : [];
    case 'wildcard':
      return children(value);
    case 'index': {
      if (!Array.isArray(value)) return [];
      const index = selector.index < 0 ? selector.index + value.length : selector.index;
      return index in value ? [value[index]] : [];
    }
    case 'slice':
      return Array.isArray(value) ? slice(value, selector.start, selector.end, selector.step) : [];
    case 'filter':
      return children(value).filter((child) => holds(selector.condition, root, child));
    default:
      return selector satisfies never;
  }
}

/** A slice as RFC 9535, 2.3.4.2.2, defines it. */
function slice(array: readonly unknown[], start: number | null, end: number | null, by: number): unknown[] {
  const { length } = array;
  const place = (index: number) => (index < 0 ? index + length : index);
  const found: unknown[] = [];
  if (by > 0) {
    const last = Math.min(Math.max(place(end ?? length), 0), length);
    for (let i = Math.min(Math.max(place(start ?? 0), 0), length); i < last; i += by) found.push(array[i]);
  } else if (by < 0) {
    const first = Math.min(Math.max(place(start ?? length - 1), -1), length - 1);
    const last = Math.min(Math.max(end === null ? -1 : place(end), -1), length - 1);
    for (let i = first; i > last; i += by) found.push(array[i]);
  }
  return found;
}

function holds(condition: Condition, root: unknown, current: unknown): boolean {
  switch (condition.kind) {
    case 'or':
      return condition.of.some((each) => holds(each, root, current));
    case 'and':
      return condition.of.every((each) => holds(each, root, current));
    case 'not':
      return !holds(condition.of, root, current);
    case 'exists':
      return follow(condition.path, root, current).length > 0;
    case 'search': {
      const text = searchText(condition.text, root, current);
      const pattern = searchText(condition.pattern, root, current);
      return text !== null && pattern !== null && matches(text, pattern);
    }
    case 'compare':
      return compare(
        valueOf(condition.left, root, current),
        condition.operator,
        valueOf(condition.right, root, current),
      );
    default:
      return condition satisfies never;
  }
}

function searchText(argument: SearchArgument, root: unknown, current: unknown): string | null {
  if (argument.kind === 'literal') return typeof argument.value === 'string' ? argument.value : null;
  const found = follow(argument.path, root, current);
  return found.length === 1 && typeof found[0] === 'string' ? found[0] : null;
}

function matches(text: string, pattern: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch {
    // The pattern comes from the token and is not a regular expression: it matches nothing.
    return false;
  }
}

/** The value of a literal or path, in an array. An empty array stands for nothing, which equals only nothing. */
function valueOf(comparable: Comparable, root: unknown, current: unknown): readonly unknown[] {
  return comparable.kind === 'literal' ? [comparable.value] : follow(comparable.path, root, current);
}

function compare(left: readonly unknown[], operator: string, right: readonly unknown[]): boolean {
  switch (operator) {
    case '==':
      return areEqual(left, right);
    case '!=':
      return !areEqual(left, right);
    case '<':
      return isLess(left[0], right[0]);
    case '>':
      return isLess(right[0], left[0]);
    case '<=':
      return isLess(left[0], right[0]) || areEqual(left, right);
    default:
      return isLess(right[0], left[0]) || areEqual(left, right);
  }
}

function isLess(left: unknown, right: unknown): boolean {
  return (
    (typeof left === 'number' && typeof right === 'number' && left < right) ||
    (typeof left === 'string' && typeof right === 'string' && left < right)
  );
}

function areEqual(left: unknown, right: unknown): boolean {
  if (typeof left !== 'object' || left === null || typeof right !== 'object' || right === null)
    return left === right;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const [ours, theirs] = [Object.entries(left), Object.entries(right)];
  return (
    ours.length === theirs.length &&
    ours.every(
      ([key, value]) =>
        Object.hasOwn(right, key) && areEqual(value, (right as Readonly<Record<string, unknown>>)[key]),
    )
  );
}

function children(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
