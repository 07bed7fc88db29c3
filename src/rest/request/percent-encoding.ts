// Percent-encoding as PostgREST reads and writes it (RFC 3986, and `+` for a blank in query strings). Characters beyond
// ASCII stand for bytes, as node:http delivers them.

/** The decoded text; a `%` without two hexadecimal digits stays. Null: the bytes are not UTF-8. */
export function decodeQueryText(encoded: string): string | null {
  if (isPlain(encoded)) return encoded;
  const spaced = encoded.replaceAll('+', ' ');
  if (isAscii(spaced)) {
    try {
      return decodeURIComponent(spaced);
    } catch {
      // A stray `%`, or bytes that are not UTF-8: decoding byte by byte tells which.
    }
  }
  const bytes = decodeBytes(spaced);
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return null;
  }
}

/** The decoded segment of a path; bytes that are not UTF-8 become U+FFFD. A `+` stays a plus. */
export function decodePathSegment(encoded: string): string {
  return isAscii(encoded) && !encoded.includes('%') ? encoded : decodeBytes(encoded).toString('utf8');
}

/** The text of a header's value, whose bytes node:http delivers as characters. */
export function decodeHeader(value: string): string {
  return isAscii(value) ? value : bytesOf(value).toString('utf8');
}

/** The text with everything escaped except ASCII letters, digits and `-_.~`. */
export function encodeQueryText(text: string): string {
  let result = '';
  let from = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return escapeBytes(Buffer.from(text, 'utf8'));
    const escape = escapes[code];
    if (escape === undefined) continue;
    result += text.slice(from, index) + escape;
    from = index + 1;
  }
  return from === 0 ? text : result + text.slice(from);
}

function escapeBytes(bytes: Buffer): string {
  let result = '';
  for (const byte of bytes) result += escapes[byte] ?? String.fromCharCode(byte);
  return result;
}

/** Escapes by byte; undefined for bytes that stand for themselves. */
const escapes: readonly (string | undefined)[] = Array.from({ length: 0x100 }, (_, byte) =>
  /[-\w.~]/.test(String.fromCharCode(byte))
    ? undefined
    : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
);

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Whether nothing in the text needs decoding. */
function isPlain(encoded: string): boolean {
  for (let index = 0; index < encoded.length; index++) {
    const code = encoded.charCodeAt(index);
    if (code > 0x7f || code === 0x25 || code === 0x2b) return false;
  }
  return true;
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}

function decodeBytes(encoded: string): Buffer {
  const source = bytesOf(encoded);
  const bytes = Buffer.allocUnsafe(source.length);
  let length = 0;
  for (let index = 0; index < source.length; index++) {
    const byte = source[index] ?? 0;
    if (byte === 0x25) {
      const high = hexDigit(source[index + 1]);
      const low = hexDigit(source[index + 2]);
      if (high >= 0 && low >= 0) {
        bytes[length++] = high * 16 + low;
        index += 2;
        continue;
      }
    }
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}

/** The bytes of a text. Text that node:http cannot have produced counts as ordinary text. */
function bytesOf(text: string): Buffer {
  return Buffer.from(text, isLatin1(text) ? 'latin1' : 'utf8');
}

function isLatin1(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0xff) return false;
  return true;
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
