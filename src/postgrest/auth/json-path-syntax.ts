import { OperationalError } from '../../operational-error.ts';

/** A query of RFC 9535. `$` starts at the document, `@` at the value under a filter's test. */
export interface JsonPath {
  readonly from: '$' | '@';
  readonly segments: readonly Segment[];
}

export interface Segment {
  /** `..`: the selectors apply to the value itself and to everything below it. */
  readonly descendants: boolean;
  readonly selectors: readonly Selector[];
}

export type Selector =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'wildcard' }
  /** Negative: counted from the end. */
  | { readonly kind: 'index'; readonly index: number }
  | {
      readonly kind: 'slice';
      readonly start: number | null;
      readonly end: number | null;
      readonly step: number;
    }
  | { readonly kind: 'filter'; readonly condition: Condition };

export type Condition =
  | { readonly kind: 'or' | 'and'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'exists'; readonly path: JsonPath }
  | { readonly kind: 'search'; readonly text: SearchArgument; readonly pattern: SearchArgument }
  | {
      readonly kind: 'compare';
      readonly left: Comparable;
      readonly operator: string;
      readonly right: Comparable;
    };

/** A literal, or a path that finds at most one value. */
export type Comparable =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'path'; readonly path: JsonPath };

export type SearchArgument = Comparable;

/** A text that is not a JSON Path. The message gives the position of the offending character. */
export class JsonPathSyntaxError extends OperationalError {
  override name = 'JsonPathSyntaxError';
}

/** Parses a JSON Path from `$` to its end. Throws JsonPathSyntaxError. */
export function parseJsonPath(text: string): JsonPath {
  const parser = new Parser(text);
  const path = parser.path('$');
  if (path === null) throw parser.error('a path begins with $');
  if (!parser.atEnd) throw parser.error('the path should end here');
  return path;
}

const nameStart = String.raw`[\p{L}_\u{80}-\u{D7FF}\u{E000}-\u{10FFFF}]`;
const dotName = new RegExp(`${nameStart}(?:${nameStart}|[0-9])*`, 'uy');
const integer = /(?:0|-?[1-9]\d*)(?!\d)/y;

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  error(message: string): JsonPathSyntaxError {
    return new JsonPathSyntaxError(`${message} (character ${this.#at + 1})`);
  }

  path(from: '$' | '@'): JsonPath | null {
    if (!this.#take(from)) return null;
    const segments: Segment[] = [];
    for (;;) {
      const before = this.#at;
      this.#spaces();
      const segment = this.#segment();
      if (segment === null) {
        this.#at = before;
        return { from, segments };
      }
      segments.push(segment);
    }
  }

  #segment(): Segment | null {
    const dots = this.#match(/\.\.?/y);
    const descendants = dots === '..';
    if (dots !== null) {
      if (this.#take('*')) return { descendants, selectors: [{ kind: 'wildcard' }] };
      const name = this.#match(dotName);
      if (name !== null) return { descendants, selectors: [{ kind: 'name', name }] };
      if (!descendants) throw this.error('a name or * is expected after the dot');
    }
    if (!this.#take('[')) {
      if (dots !== null) throw this.error('a name, * or [ is expected after the dots');
      return null;
    }
    const selectors: Selector[] = [];
    do {
      this.#spaces();
      selectors.push(this.#selector());
      this.#spaces();
    } while (this.#take(','));
    if (!this.#take(']')) throw this.error('] is expected');
    return { descendants, selectors };
  }

  #selector(): Selector {
    const name = this.#string();
    if (name !== null) return { kind: 'name', name };
    if (this.#take('*')) return { kind: 'wildcard' };
    if (this.#take('?')) {
      this.#spaces();
      return { kind: 'filter', condition: this.#or() };
    }
    const start = this.#integer();
    this.#spaces();
    if (!this.#take(':')) {
      if (start === null) throw this.error('a quoted name, an index, a slice, * or ?filter is expected');
      return { kind: 'index', index: start };
    }
    this.#spaces();
    const end = this.#integer();
    this.#spaces();
    let step: number | null = null;
    if (this.#take(':')) {
      this.#spaces();
      step = this.#integer();
    }
    return { kind: 'slice', start, end, step: step ?? 1 };
  }

  #or(): Condition {
    const of = this.#separated('||', () => this.#separated('&&', () => [this.#basic()], 'and'), 'or');
    return of[0] as Condition;
  }

  /** A list of conditions; a single one comes as an array of one. */
  #separated(operator: string, part: () => Condition[], kind: 'or' | 'and'): Condition[] {
    const of = part();
    for (;;) {
      const before = this.#at;
      this.#spaces();
      if (!this.#take(operator)) {
        this.#at = before;
        return of.length === 1 ? of : [{ kind, of }];
      }
      this.#spaces();
      of.push(...part());
    }
  }

  #basic(): Condition {
    if (this.#take('!')) {
      this.#spaces();
      const of = this.#parenthesised() ?? this.#test();
      if (of === null) throw this.error('a path, search() or ( is expected after !');
      return { kind: 'not', of };
    }
    const group = this.#parenthesised();
    if (group !== null) return group;
    return this.#comparison() ?? this.#test() ?? this.#fail();
  }

  #fail(): never {
    throw this.error('a comparison, a path or search() is expected');
  }

  #parenthesised(): Condition | null {
    if (!this.#take('(')) return null;
    this.#spaces();
    const condition = this.#or();
    this.#spaces();
    if (!this.#take(')')) throw this.error(') is expected');
    return condition;
  }

  #comparison(): Condition | null {
    const before = this.#at;
    const left = this.#comparable();
    if (left !== null) {
      this.#spaces();
      const operator = this.#match(/[<>]=?|[!=]=/y);
      if (operator !== null) {
        this.#spaces();
        const right = this.#comparable();
        if (right === null) throw this.error('a literal or a path is expected');
        for (const side of [left, right]) {
          if (side.kind === 'path' && !findsOneAtMost(side.path)) {
            throw this.error('a path in a comparison may have only names and indices');
          }
        }
        return { kind: 'compare', left, operator, right };
      }
      if (left.kind === 'literal') throw this.error('a comparison is expected after the literal');
    }
    this.#at = before;
    return null;
  }

  #test(): Condition | null {
    if (this.#match(/search\(/y)) {
      this.#spaces();
      const text = this.#argument();
      this.#spaces();
      if (!this.#take(',')) throw this.error('search() takes two arguments: a text and a pattern');
      this.#spaces();
      const pattern = this.#argument();
      this.#spaces();
      if (!this.#take(')')) throw this.error(') is expected');
      if (pattern.kind === 'literal') this.#checkPattern(pattern.value);
      return { kind: 'search', text, pattern };
    }
    const path = this.path('@') ?? this.path('$');
    return path === null ? null : { kind: 'exists', path };
  }

  #argument(): SearchArgument {
    const argument = this.#comparable();
    if (argument === null) throw this.error('a path or quoted text is expected');
    return argument;
  }

  #checkPattern(pattern: string | number | boolean | null): void {
    try {
      RegExp(String(pattern), 'u');
    } catch (error) {
      throw this.error(`the pattern of search() is not a regular expression: ${(error as Error).message}`);
    }
  }

  #comparable(): Comparable | null {
    const text = this.#string();
    if (text !== null) return { kind: 'literal', value: text };
    const number = this.#match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (number !== null) return { kind: 'literal', value: Number(number) };
    const word = this.#match(/(?:true|false|null)(?![\p{L}\p{N}_])/uy);
    if (word !== null) return { kind: 'literal', value: word === 'null' ? null : word === 'true' };
    const path = this.path('@') ?? this.path('$');
    return path === null ? null : { kind: 'path', path };
  }

  #integer(): number | null {
    const digits = this.#match(integer);
    if (digits === null) return null;
    if (!Number.isSafeInteger(Number(digits))) throw this.error('the number is too large');
    return Number(digits);
  }

  /** A name or text in single or double quotes, with JSON's escapes. */
  #string(): string | null {
    const quoted = this.#match(/'(?:[^'\\\p{Cc}]|\\.)*'|"(?:[^"\\\p{Cc}]|\\.)*"/uy);
    if (quoted === null) return null;
    const inner = quoted.slice(1, -1);
    const json = quoted.startsWith("'")
      ? inner.replaceAll(/\\'|"/g, (m) => (m === '"' ? '\\"' : "'"))
      : inner;
    try {
      return JSON.parse(`"${json}"`) as string;
    } catch {
      throw this.error(`${quoted} has an unknown escape`);
    }
  }

  #spaces(): void {
    this.#match(/[ \n\r\t]*/y);
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0] ?? null;
    if (match !== null) this.#at += match.length;
    return match;
  }
}

function findsOneAtMost({ segments }: JsonPath): boolean {
  return segments.every(
    ({ descendants, selectors: [selector, ...others] }) =>
      !descendants && others.length === 0 && (selector?.kind === 'name' || selector?.kind === 'index'),
  );
}
