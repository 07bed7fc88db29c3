import { isWord } from './sql-lexer.ts';
import type { Token } from './sql-lexer.ts';

/** An argument of set_config: a literal's value, a parameter's number, or something that has to be computed. */
export type Argument =
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'parameter'; readonly number: number }
  | { readonly kind: 'computed' };

/** A call of set_config. It is `certain` to run, once, when the statement selects nothing but such calls. */
export interface SetConfigCall {
  readonly kind: 'set-config';
  readonly name: Argument;
  readonly value: Argument;
  readonly local: Argument;
  readonly certain: boolean;
}

/**
 * The calls of set_config in a statement, without the harmless ones: local calls that set anything but
 * statement_timeout leave nothing behind. Null: the arguments of a call could not be read.
 */
export function setConfigCalls(tokens: readonly Token[]): readonly SetConfigCall[] | null {
  const calls: SetConfigCall[] = [];
  // The only certain form is `select [pg_catalog.]set_config(...) [as name], ...`.
  let certain = isWord(tokens[0], 'select');
  let covered = 1;
  for (let at = 0; at < tokens.length; at++) {
    if (!isWord(tokens[at], 'set_config') || tokens[at + 1]?.text !== '(') continue;
    const close = closingParenthesis(tokens, at + 1);
    const from = tokens[at - 1]?.text === '.' ? at - 2 : at;
    certain &&= from === covered;
    covered = close + 1;
    if (isWord(tokens[covered], 'as')) covered += 2;
    if (tokens[covered]?.text === ',') covered++;
    const [name, value, local, ...more] = argumentsOf(tokens.slice(at + 2, close));
    if (!name || !value || !local || more.length > 0) return null;
    calls.push({ kind: 'set-config', name, value, local, certain: true });
  }
  certain &&= covered >= tokens.length;
  return calls.map((call) => ({ ...call, certain })).filter((call) => !isHarmless(call));
}

function isHarmless(call: SetConfigCall): boolean {
  if (call.local.kind !== 'literal' || !isTrue(call.local.value)) return false;
  return call.name.kind === 'literal' && call.name.value.toLowerCase() !== 'statement_timeout';
}

/** Whether a literal is one of the ways to write true. */
export function isTrue(value: string): boolean {
  return /^(t|tr|tru|true|y|ye|yes|on|1)$/i.test(value);
}

function closingParenthesis(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    if (tokens[at]?.text === '(' && tokens[at]?.kind === 'punctuation') depth++;
    else if (tokens[at]?.text === ')' && tokens[at]?.kind === 'punctuation' && --depth === 0) return at;
  }
  return tokens.length;
}

function argumentsOf(tokens: readonly Token[]): Argument[] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'punctuation' && token.text === '(') depth++;
    if (token.kind === 'punctuation' && token.text === ')') depth--;
    if (token.kind === 'punctuation' && token.text === ',' && depth === 0) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts.map(argumentOf);
}

function argumentOf(tokens: readonly Token[]): Argument {
  const [token, ...cast] = tokens;
  if (!token || (cast.length > 0 && !(cast[0]?.text === '::' && cast.length === 2)))
    return { kind: 'computed' };
  if (token.kind === 'parameter') return { kind: 'parameter', number: Number(token.text) };
  if (token.kind === 'string' || isWord(token, 'true') || isWord(token, 'false')) {
    return { kind: 'literal', value: token.text };
  }
  return { kind: 'computed' };
}
