// What Postgres cannot store, of all that JSON and URLs can say: U+0000, half of a surrogate pair, and the numbers NaN and Infinity that
// some programs write into JSON. Every door and the importer change it here, in the same way. Text without any of it, which is nearly all,
// costs one search and is returned as it is.

/** Stands for a character that Postgres cannot store: U+FFFD, as in decoders of Unicode. */
export const mark = '\uFFFD';

/** The text with U+FFFD in the place of each U+0000 and of each half of a surrogate pair. */
export function storableText(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', mark) : text).toWellFormed();
}

/**
 * JSON text with U+FFFD in the place of escapes that mean U+0000 or half of a surrogate pair, in keys, too. A bare `NaN`, `Infinity` or
 * `-Infinity`, which is not JSON, becomes the string that Postgres itself writes for such a number. Other text that is not JSON stays so.
 */
export function storableJson(text: string): string {
  const escaped = text.includes('\\u') ? markEscapes(text) : text;
  return escaped.includes('NaN') || escaped.includes('Infinity') ? quoteNonNumbers(escaped) : escaped;
}

/** `storableJson` for the bytes of UTF-8, without a byte order mark. Returns a part of the given bytes if nothing else changes. */
export function storableJsonBytes(bytes: Buffer): Buffer {
  const json = withoutByteOrderMark(bytes);
  if (!suspicious.some((piece) => json.includes(piece))) return json;
  const text = json.toString('utf8');
  const storable = storableJson(text);
  return storable === text ? json : Buffer.from(storable, 'utf8');
}

/**
 * The text of a GraphQL document with U+FFFD in the place of escapes that mean U+0000 or half of a surrogate pair. Block strings and
 * comments have no escapes and stay as they are.
 */
export function storableGraphql(text: string): string {
  if (!text.includes('\\u')) return text;
  let result = '';
  let from = 0;
  for (const { start, end } of stringsOfGraphql(text)) {
    result += text.slice(from, start) + markEscapes(text.slice(start, end));
    from = end;
  }
  return result + text.slice(from);
}

/** The bytes without UTF-8's byte order mark, which PowerShell writes. */
export function withoutByteOrderMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

/** Pieces of which one is in every JSON text that `storableJson` changes. */
const suspicious = ['\\u', 'NaN', 'Infinity'].map((piece) => Buffer.from(piece));

/** Changes JSON's escapes, and GraphQL's (`\u{0}`). Looks at every backslash, so that `\\u0000` is not taken for an escape. */
function markEscapes(text: string): string {
  let result = '';
  let from = 0;
  for (let at = text.indexOf('\\'); at >= 0;) {
    const behind = text[at + 1] === 'u' ? endOfEscape(text, at) : { end: at + 2, isStorable: true };
    if (!behind.isStorable) {
      result += text.slice(from, at) + mark;
      from = behind.end;
    }
    at = text.indexOf('\\', behind.end);
  }
  return from === 0 ? text : result + text.slice(from);
}

function endOfEscape(text: string, at: number): { readonly end: number; readonly isStorable: boolean } {
  pair.lastIndex = at;
  if (pair.test(text)) return { end: pair.lastIndex, isStorable: true };
  unstorable.lastIndex = at;
  if (unstorable.test(text)) return { end: unstorable.lastIndex, isStorable: false };
  return { end: at + 2, isStorable: true };
}

const pair = /\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}/y;
const unstorable = /\\u(?:0000|[dD][89a-fA-F][\da-fA-F]{2}|\{0*(?:0|[dD][89a-fA-F][\da-fA-F]{2})\})/y;

/** Puts the numbers that JSON does not have between quotes, where they stand outside of strings. */
function quoteNonNumbers(text: string): string {
  let result = '';
  let from = 0;
  while (from < text.length) {
    const quote = text.indexOf('"', from);
    const start = quote < 0 ? text.length : quote;
    const end = quote < 0 ? text.length : endOfString(text, quote);
    result += text.slice(from, start).replace(nonNumbers, '"$&"') + text.slice(start, end);
    from = end;
  }
  return result;
}

const nonNumbers = /(?<![\w.+-])(?:NaN|-?Infinity)(?![\w.])/g;

/** The index behind the closing quote of the string that begins at `start`; the text's length if it has none. */
export function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slash = quote - 1;
    while (slash > start && text[slash] === '\\') slash -= 1;
    // Behind an even number of backslashes it closes.
    if ((quote - 1 - slash) % 2 === 0) return quote + 1;
  }
  return text.length;
}

/** The strings of a GraphQL document that have escapes: those between single quotation marks. */
function* stringsOfGraphql(text: string): Generator<{ readonly start: number; readonly end: number }> {
  const beginning = /["#]/g;
  for (let found = beginning.exec(text); found !== null; found = beginning.exec(text)) {
    const { index } = found;
    if (text[index] === '#') beginning.lastIndex = endOf(text, /[\n\r]/g, index);
    else if (text.startsWith('"""', index)) beginning.lastIndex = endOf(text, /(?<!\\)"""/g, index + 3);
    else {
      const end = endOfString(text, index);
      yield { start: index, end };
      beginning.lastIndex = end;
    }
  }
}

function endOf(text: string, ending: RegExp, from: number): number {
  ending.lastIndex = from;
  return ending.test(text) ? ending.lastIndex : text.length;
}
