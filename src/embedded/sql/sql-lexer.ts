// A lexer for SQL as Postgres reads it: just enough to find where statements end and what their first words
// are. Works on latin1 strings (see wire.ts). Assumes that `standard_conforming_strings` is on, the default
// since 2010.

/**
 * A piece of SQL. `text` depends on the kind: a word in lower case, the contents of a quoted identifier or a
 * string (an escape string, e'..', keeps its backslashes), the number of a parameter. `start` and `end` are
 * offsets in the whole text.
 */
export interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'escape-string' | 'parameter' | 'number' | 'punctuation';
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Returns the token at or after `offset`, past blanks and comments; undefined at the end. */
export function nextToken(sql: string, offset: number): Token | undefined {
  const start = skipBlanks(sql, offset);
  return start < sql.length ? tokenAt(sql, start, endOfToken(sql, start)) : undefined;
}

/**
 * The end of the token that starts at `start`. Long texts are read with this alone, because it allocates
 * nothing.
 */
export function endOfToken(sql: string, start: number): number {
  const c = sql.charCodeAt(start);
  if (isIdentifierStart(c)) {
    let end = start + 1;
    while (isIdentifierPart(sql.charCodeAt(end))) end++;
    if (end - start > 1 || sql.charCodeAt(end) !== quote) return end;
    // e'..' has backslash escapes; b'..', x'..' and n'..' are strings as well.
    const prefix = c | 32;
    if (prefix === 101) return endOfEscaped(sql, end + 1);
    return prefix === 98 || prefix === 120 || prefix === 110 ? endOfQuoted(sql, end + 1, "'") : end;
  }
  if (c === quote) return endOfQuoted(sql, start + 1, "'");
  if (c === doubleQuote) return endOfQuoted(sql, start + 1, '"');
  if (c === dollar) return endOfDollar(sql, start);
  if (isDigit(c)) {
    let end = start + 1;
    while (isIdentifierPart(sql.charCodeAt(end)) || sql.charCodeAt(end) === dot) end++;
    return end;
  }
  return c === colon && sql.charCodeAt(start + 1) === colon ? start + 2 : start + 1;
}

/** All tokens between two offsets. */
export function tokensOf(sql: string, start: number, end: number): Token[] {
  const tokens: Token[] = [];
  let token = nextToken(sql, start);
  while (token && token.start < end) {
    tokens.push(token);
    token = nextToken(sql, token.end);
  }
  return tokens;
}

/** Turns ASCII letters to lower case, as Postgres folds identifiers in UTF-8. Other bytes stay as they are. */
export function foldCase(text: string): string {
  return /[A-Z]/.test(text) ? text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
}

/** Whether the token is this word, unquoted. */
export function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === 'word' && token.text === text;
}

/** Whether the token can be an identifier. */
export function isName(token: Token | undefined): token is Token {
  return token?.kind === 'word' || token?.kind === 'quoted';
}

/** The name of an identifier, cut at 63 bytes like Postgres does. */
export function nameOf(token: Token | undefined): string {
  return token?.text.slice(0, 63) ?? '';
}

const quote = 39;
const dot = 46;
const colon = 58;
const doubleQuote = 34;
const dollar = 36;
const dash = 45;
const slash = 47;
const star = 42;

function tokenAt(sql: string, start: number, end: number): Token {
  const c = sql.charCodeAt(start);
  if (sql.charCodeAt(end - 1) === quote && end - start > 1) {
    const open = sql.indexOf("'", start);
    const kind = (c | 32) === 101 ? 'escape-string' : 'string';
    return { kind, text: sql.slice(open + 1, end - 1).replaceAll("''", "'"), start, end };
  }
  if (c === quote) return { kind: 'string', text: sql.slice(start + 1, end), start, end };
  if (isIdentifierStart(c)) return { kind: 'word', text: foldCase(sql.slice(start, end)), start, end };
  if (c === doubleQuote) {
    return { kind: 'quoted', text: sql.slice(start + 1, end - 1).replaceAll('""', '"'), start, end };
  }
  if (c === dollar) return dollarToken(sql, start, end);
  return { kind: isDigit(c) ? 'number' : 'punctuation', text: sql.slice(start, end), start, end };
}

function dollarToken(sql: string, start: number, end: number): Token {
  if (isDigit(sql.charCodeAt(start + 1))) {
    return { kind: 'parameter', text: sql.slice(start + 1, end), start, end };
  }
  const tag = end - start > 1 ? (tagAt(sql, start) ?? '') : '';
  if (tag === '') return { kind: 'punctuation', text: '$', start, end };
  const text = sql.slice(start + tag.length, sql.endsWith(tag, end) ? end - tag.length : end);
  return { kind: 'string', text, start, end };
}

function endOfDollar(sql: string, start: number): number {
  if (isDigit(sql.charCodeAt(start + 1))) {
    let end = start + 2;
    while (isDigit(sql.charCodeAt(end))) end++;
    return end;
  }
  const tag = tagAt(sql, start);
  if (tag === undefined) return start + 1;
  const close = sql.indexOf(tag, start + tag.length);
  return close < 0 ? sql.length : close + tag.length;
}

/** The opening tag of a dollar-quoted string: `$$` or `$name$`. */
function tagAt(sql: string, start: number): string | undefined {
  dollarTag.lastIndex = start;
  return dollarTag.exec(sql)?.[0];
}

const dollarTag = /\$(?:[A-Za-z_\u0080-\u00ff][A-Za-z_0-9\u0080-\u00ff]*)?\$/y;

/** The offset after the closing quote. A doubled quote does not close the string. */
function endOfQuoted(sql: string, offset: number, mark: '"' | "'"): number {
  for (let at = sql.indexOf(mark, offset); at >= 0; at = sql.indexOf(mark, at + 2)) {
    if (sql[at + 1] !== mark) return at + 1;
  }
  return sql.length;
}

function endOfEscaped(sql: string, offset: number): number {
  for (let at = offset; at < sql.length; at++) {
    if (sql[at] === '\\') at++;
    else if (sql.charCodeAt(at) === quote) {
      if (sql.charCodeAt(at + 1) !== quote) return at + 1;
      at++;
    }
  }
  return sql.length;
}

/** The first offset at or after `offset` that is outside blanks and comments. */
export function skipBlanks(sql: string, offset: number): number {
  let at = offset;
  for (;;) {
    const c = sql.charCodeAt(at);
    if (c === 32 || (c >= 9 && c <= 13)) {
      at++;
    } else if (c === dash && sql.charCodeAt(at + 1) === dash) {
      const end = sql.indexOf('\n', at);
      at = end < 0 ? sql.length : end + 1;
    } else if (c === slash && sql.charCodeAt(at + 1) === star) {
      at = endOfComment(sql, at);
    } else {
      return at;
    }
  }
}

/** Block comments nest. */
function endOfComment(sql: string, start: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start + 2;
  for (let depth = 1, mark = marks.exec(sql); mark; mark = marks.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return sql.length;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

function isIdentifierStart(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || c >= 128;
}

function isIdentifierPart(c: number): boolean {
  return isIdentifierStart(c) || isDigit(c) || c === dollar;
}
