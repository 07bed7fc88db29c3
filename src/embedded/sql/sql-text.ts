import { setConfigCalls } from './set-config.ts';
import type { SetConfigCall } from './set-config.ts';
import {
  endOfToken,
  foldCase,
  isName,
  isWord,
  nameOf,
  nextToken,
  skipBlanks,
  tokensOf,
} from './sql-lexer.ts';
import type { Token } from './sql-lexer.ts';

// The effects of a statement's text on the session that runs it. Texts, and names found in them, are latin1
// strings (see wire.ts). The analysis sees texts only: it cannot know what functions do (session-state.ts says
// what follows from that).

/** State that a statement may leave in the session and that no list of statements can restore. */
export type Residue =
  'temporary tables' | 'open cursors' | 'settings' | 'advisory locks' | 'effects of a procedure';

/**
 * A change that executing a statement makes to the session. `set` with `local` ends with the transaction;
 * otherwise `sql` restores it later. `value` is given for a plain literal.
 */
export type Effect =
  | { readonly kind: 'commit' | 'rollback' | 'reset-all' | 'discard-all' | 'unlisten-all' | 'deallocate-all' }
  | { readonly kind: 'savepoint' | 'release' | 'rollback-to'; readonly name: string }
  | {
      readonly kind: 'set';
      readonly name: string;
      readonly value: string | undefined;
      readonly local: boolean;
      readonly sql: string;
    }
  | { readonly kind: 'reset'; readonly name: string }
  | SetConfigCall
  | { readonly kind: 'listen' | 'unlisten'; readonly channel: string }
  | { readonly kind: 'prepare'; readonly name: string }
  | { readonly kind: 'deallocate'; readonly name: string }
  | { readonly kind: 'residue'; readonly residue: Residue };

/** A place in the text that goes to the engine in another form: the name of a prepared statement, or other SQL. */
export type Edit =
  | { readonly kind: 'statement-name'; readonly start: number; readonly end: number; readonly name: string }
  | { readonly kind: 'text'; readonly start: number; readonly end: number; readonly text: string };

/**
 * One statement, and its place in the text. `copies`: it is a COPY, which may exchange data with the client
 * while it runs.
 */
export interface Statement {
  readonly start: number;
  readonly end: number;
  readonly effects: readonly Effect[];
  readonly edits: readonly Edit[];
  readonly copies: boolean;
}

/** A statement without its place. */
type Facts = Omit<Statement, 'start' | 'end'>;

const plain: Facts = { effects: [], edits: [], copies: false };

/** The statements of a text, in order, without the empty ones (Postgres does not answer those either). */
export function statementsOf(sql: string): readonly Statement[] {
  const statements: Statement[] = [];
  let offset = 0;
  while (offset < sql.length) {
    const scanned = scanStatement(sql, offset);
    const start = scanned.head[0]?.start;
    if (start !== undefined) statements.push({ start, end: scanned.end, ...factsOf(sql, scanned) });
    offset = scanned.end + 1;
  }
  return statements;
}

/**
 * The text from the first statement's start to the last one's end, with the edits applied. `rename` maps a
 * prepared statement's name. `statements` must have been found in `sql`.
 */
export function editedText(
  sql: string,
  statements: readonly Statement[],
  rename: (name: string) => string,
): string {
  let edited = '';
  let from = statements[0]?.start ?? 0;
  for (const edit of statements.flatMap((statement) => statement.edits)) {
    const text = edit.kind === 'text' ? edit.text : `"${rename(edit.name).replaceAll('"', '""')}"`;
    edited += sql.slice(from, edit.start) + text;
    from = edit.end;
  }
  return edited + sql.slice(from, statements.at(-1)?.end ?? sql.length);
}

/** A statement's first tokens, the interesting words in it, and its end (the semicolon, or the end of the text). */
interface Scanned {
  readonly head: readonly Token[];
  readonly words: ReadonlySet<string>;
  readonly end: number;
}

const headLength = 8;
const interesting = new Set([
  'atomic',
  'case',
  'drop',
  'end',
  'execute',
  'hold',
  'pg_advisory_lock',
  'pg_advisory_lock_shared',
  'pg_temp',
  'pg_try_advisory_lock',
  'pg_try_advisory_lock_shared',
  'set_config',
  'temp',
  'temporary',
]);
/**
 * First letters and lengths of interesting words. In a long text only words that match one of them are looked
 * at.
 */
const shapes = new Set([...interesting].map((word) => word.charCodeAt(0) * 64 + word.length));
const noWords: ReadonlySet<string> = new Set();

function scanStatement(sql: string, start: number): Scanned {
  const head: Token[] = [];
  let words: Set<string> | undefined;
  let parentheses = 0;
  // Bodies of `begin atomic ... end` contain semicolons; `case ... end` nests in them.
  let block = 0;
  let previousStart = start;
  let previousEnd = start;
  for (let at = skipBlanks(sql, start); at < sql.length;) {
    const end = endOfToken(sql, at);
    const c = sql.charCodeAt(at);
    if (c === openParenthesis) parentheses++;
    else if (c === closeParenthesis) parentheses--;
    else if (c === semicolon && parentheses <= 0 && block === 0) {
      return { head, words: words ?? noWords, end: at };
    } else if (shapes.has((c | 32) * 64 + end - at)) {
      const word = foldCase(sql.slice(at, end));
      if (word === 'atomic' || word === 'case' || word === 'end') {
        if (word === 'atomic' && foldCase(sql.slice(previousStart, previousEnd)) === 'begin') block = 1;
        else if (block > 0) block += word === 'case' ? 1 : word === 'end' ? -1 : 0;
      } else if (word === 'temp' || word === 'temporary') {
        const into = foldCase(sql.slice(previousStart, previousEnd)) === 'into';
        if (into) (words ??= new Set()).add('into temp');
      } else if (interesting.has(word)) {
        (words ??= new Set()).add(word);
      }
    }
    if (head.length < headLength) {
      const token = nextToken(sql, at);
      if (token) head.push(token);
    }
    previousStart = at;
    previousEnd = end;
    at = skipBlanks(sql, end);
  }
  return { head, words: words ?? noWords, end: sql.length };
}

const openParenthesis = 40;
const closeParenthesis = 41;
const semicolon = 59;

function factsOf(sql: string, { head, words, end }: Scanned): Facts {
  const first = head[0];
  if (first?.kind !== 'word')
    return words.size > 0 ? { ...plain, effects: callEffects(sql, head, words, end) } : plain;
  switch (first.text) {
    case 'commit':
    case 'end':
      return isWord(head[1], 'prepared') ? plain : effect({ kind: 'commit' });
    case 'rollback':
    case 'abort':
      return rollback(head);
    case 'savepoint':
      return savepoint('savepoint', head[1]);
    case 'release':
      return savepoint('release', isWord(head[1], 'savepoint') && head[2] ? head[2] : head[1]);
    case 'set':
      return set(sql, head, end);
    case 'reset':
      return reset(head);
    case 'discard':
      // ALL would also drop what other clients prepared. The session is emptied by other means.
      return isWord(head[1], 'all')
        ? { ...effect({ kind: 'discard-all' }), edits: [textEdit(first.start, end, 'discard temp')] }
        : plain;
    case 'listen':
      return isName(head[1]) ? effect({ kind: 'listen', channel: nameOf(head[1]) }) : plain;
    case 'unlisten':
      return unlisten(head, end);
    case 'prepare':
      return prepare(head);
    case 'execute':
      return isName(head[1]) ? { ...plain, edits: [nameEdit(head[1])] } : plain;
    case 'deallocate':
      return deallocate(head, end);
    case 'copy':
      return { ...plain, copies: true };
    default:
      return other(sql, head, words, end);
  }
}

function rollback(head: readonly Token[]): Facts {
  if (isWord(head[1], 'prepared')) return plain;
  const to = isWord(head[1], 'to') ? 1 : isWord(head[2], 'to') ? 2 : 0;
  if (to === 0) return effect({ kind: 'rollback' });
  const name = isWord(head[to + 1], 'savepoint') && isName(head[to + 2]) ? head[to + 2] : head[to + 1];
  return savepoint('rollback-to', name);
}

function savepoint(kind: 'savepoint' | 'release' | 'rollback-to', name: Token | undefined): Facts {
  return isName(name) ? effect({ kind, name: nameOf(name) }) : plain;
}

function set(sql: string, head: readonly Token[], end: number): Facts {
  const scope = isWord(head[1], 'local') ? 'local' : isWord(head[1], 'session') ? 'session' : undefined;
  // SESSION may be the scope, or the beginning of SESSION AUTHORIZATION and SESSION CHARACTERISTICS.
  const scoped =
    scope !== undefined && !isWord(head[2], 'authorization') && !isWord(head[2], 'characteristics');
  const [name, ...rest] = head.slice(scoped ? 2 : 1);
  if (!isName(name)) return plain;
  const restore = { local: scope === 'local', sql: sql.slice(head[0]?.start, end).trimEnd() };
  if (isWord(name, 'transaction') || isWord(name, 'constraints')) return plain;
  if (isWord(name, 'session') && isWord(rest[0], 'authorization')) {
    return settingOrDefault('session_authorization', rest[1], restore);
  }
  if (isWord(name, 'session') && isWord(rest[0], 'characteristics')) {
    return settingOrDefault('session characteristics', undefined, restore);
  }
  if (isWord(name, 'role')) return settingOrDefault('role', rest[0], restore);
  if (isWord(name, 'time') && isWord(rest[0], 'zone')) return settingOrDefault('timezone', rest[1], restore);
  if (isWord(name, 'names')) return encoding(rest[0], settingOrDefault('client_encoding', rest[0], restore));
  if (isWord(name, 'schema')) return settingOrDefault('search_path', rest[0], restore);
  if (isWord(name, 'seed')) return plain;
  if (isWord(name, 'xml')) return settingOrDefault('xmloption', undefined, restore);
  let at = 0;
  let full = nameOf(name);
  for (; rest[at]?.text === '.' && rest[at + 1]; at += 2) full += `.${nameOf(rest[at + 1])}`;
  // More tokens follow for a list or an expression such as -1.
  const single = rest[at + 2] === undefined || (rest[at + 2]?.start ?? end) >= end;
  const value = rest[at + 1];
  const statement = settingOrDefault(full, single || isWord(value, 'default') ? value : undefined, restore);
  return full === 'client_encoding' ? encoding(value, statement) : statement;
}

function settingOrDefault(
  name: string,
  value: Token | undefined,
  restore: { readonly local: boolean; readonly sql: string },
): Facts {
  if (!restore.local && isDefault(name, value)) return effect({ kind: 'reset', name: name.toLowerCase() });
  return effect({ kind: 'set', name: name.toLowerCase(), value: value?.text, ...restore });
}

function isDefault(name: string, value: Token | undefined): boolean {
  if (isWord(value, 'default')) return true;
  if (name === 'role') return isWord(value, 'none');
  return name === 'timezone' && isWord(value, 'local');
}

/**
 * PGlite has no encoding conversions: choosing an encoding other than UTF8 ends the engine. Another encoding is
 * therefore replaced with a value that Postgres itself refuses, in its own words.
 */
function encoding(value: Token | undefined, statement: Facts): Facts {
  if (!value || isWord(value, 'default') || speaksUtf8(value.text)) return statement;
  const text = `'${value.text.replaceAll("'", "''")} (the embedded database speaks UTF8 only)'`;
  return { ...statement, edits: [textEdit(value.start, value.end, text)] };
}

/** Whether an encoding needs no conversion here. Postgres reads only the letters and digits of its name. */
export function speaksUtf8(name: string): boolean {
  return ['utf8', 'unicode', 'sqlascii'].includes(name.replaceAll(/[^a-z0-9]/gi, '').toLowerCase());
}

function reset(head: readonly Token[]): Facts {
  if (isWord(head[1], 'all')) return effect({ kind: 'reset-all' });
  if (isWord(head[1], 'session') && isWord(head[2], 'authorization')) {
    return effect({ kind: 'reset', name: 'session_authorization' });
  }
  if (isWord(head[1], 'time') && isWord(head[2], 'zone')) return effect({ kind: 'reset', name: 'timezone' });
  if (!isName(head[1])) return plain;
  let name = nameOf(head[1]);
  for (let at = 2; head[at]?.text === '.' && head[at + 1]; at += 2) name += `.${nameOf(head[at + 1])}`;
  return effect({ kind: 'reset', name: name.toLowerCase() });
}

/**
 * Answers UNLISTEN as usual, but lets the engine go on listening for other clients. Routing (channels.ts) knows
 * who has stopped.
 */
function unlisten(head: readonly Token[], end: number): Facts {
  const [keyword, target] = head;
  if (!keyword || !target) return plain;
  const edits = [textEdit(keyword.start, end, 'unlisten pglite_nothing')];
  if (target.text === '*' && target.kind === 'punctuation')
    return { ...effect({ kind: 'unlisten-all' }), edits };
  return isName(target) ? { ...effect({ kind: 'unlisten', channel: nameOf(target) }), edits } : plain;
}

function prepare(head: readonly Token[]): Facts {
  const name = head[1];
  if (!isName(name) || (isWord(name, 'transaction') && head[2]?.kind === 'string')) return plain;
  return { ...effect({ kind: 'prepare', name: nameOf(name) }), edits: [nameEdit(name)] };
}

function deallocate(head: readonly Token[], end: number): Facts {
  const keyword = head[0];
  const name = isWord(head[1], 'prepare') && head[2] ? head[2] : head[1];
  if (!keyword || !isName(name)) return plain;
  if (isWord(name, 'all')) {
    // DEALLOCATE ALL would drop other clients' statements, like DISCARD ALL. DISCARD PLANS drops nobody's.
    return { ...effect({ kind: 'deallocate-all' }), edits: [textEdit(keyword.start, end, 'discard plans')] };
  }
  return { ...effect({ kind: 'deallocate', name: nameOf(name) }), edits: [nameEdit(name)] };
}

function other(sql: string, head: readonly Token[], words: ReadonlySet<string>, end: number): Facts {
  const first = head[0]?.text;
  if (first === 'do' || first === 'call')
    return effect({ kind: 'residue', residue: 'effects of a procedure' });
  const edits = words.has('execute') ? executeEdits(sql, head, end) : [];
  // TEMP stands before the object's kind: `create [or replace] [local] temp table`.
  const kind = head.findIndex((t) => isWord(t, 'table') || isWord(t, 'view') || isWord(t, 'sequence'));
  const temporary =
    first === 'create' &&
    head.slice(1, Math.max(kind, 0)).some((t) => isWord(t, 'temp') || isWord(t, 'temporary'));
  const effects = words.size > 0 || temporary ? callEffects(sql, head, words, end) : [];
  if (temporary && !(words.has('drop') && dropsAtCommit(sql, head, end))) {
    effects.push({ kind: 'residue', residue: 'temporary tables' });
  }
  return effects.length > 0 || edits.length > 0 ? { effects, edits, copies: false } : plain;
}

/**
 * Finds EXPLAIN EXECUTE name and CREATE TABLE ... AS EXECUTE name, but not EXECUTE FUNCTION in triggers and
 * rules.
 */
function executeEdits(sql: string, head: readonly Token[], end: number): Edit[] {
  const explains = isWord(head[0], 'explain');
  if (!explains && !isWord(head[0], 'create')) return [];
  const tokens = tokensOf(sql, head[0]?.start ?? 0, end);
  const at = tokens.findIndex(
    (token, i) =>
      isWord(token, 'execute') && (explains || isWord(tokens[i - 1], 'as')) && isName(tokens[i + 1]),
  );
  const name = at < 0 ? undefined : tokens[at + 1];
  return name ? [nameEdit(name)] : [];
}

function dropsAtCommit(sql: string, head: readonly Token[], end: number): boolean {
  const tokens = tokensOf(sql, head[0]?.start ?? 0, end);
  return tokens.some(
    (token, i) => isWord(token, 'on') && isWord(tokens[i + 1], 'commit') && isWord(tokens[i + 2], 'drop'),
  );
}

function callEffects(sql: string, head: readonly Token[], words: ReadonlySet<string>, end: number): Effect[] {
  const effects: Effect[] = [];
  if (words.has('pg_temp') || words.has('into temp')) {
    effects.push({ kind: 'residue', residue: 'temporary tables' });
  }
  if (words.has('hold') && isWord(head[0], 'declare'))
    effects.push({ kind: 'residue', residue: 'open cursors' });
  if ([...words].some((word) => word.startsWith('pg_advisory') || word.startsWith('pg_try_advisory'))) {
    effects.push({ kind: 'residue', residue: 'advisory locks' });
  }
  if (words.has('set_config')) {
    const calls = setConfigCalls(tokensOf(sql, head[0]?.start ?? 0, end));
    effects.push(...(calls ?? [{ kind: 'residue', residue: 'settings' } as const]));
  }
  return effects;
}

function effect(...effects: readonly Effect[]): Facts {
  return { ...plain, effects };
}

function textEdit(start: number, end: number, text: string): Edit {
  return { kind: 'text', start, end, text };
}

function nameEdit(token: Token): Edit {
  return { kind: 'statement-name', start: token.start, end: token.end, name: nameOf(token) };
}
