const bytesPerChunk = 64 * 1024;

/** Rows in COPY's text format, as chunks of UTF-8. Null is `\N`. The texts must not contain NUL characters. */
export function* copyLines(rows: Iterable<readonly (string | null)[]>): Generator<Buffer> {
  let lines: string[] = [];
  let length = 0;
  for (const row of rows) {
    const line = `${row.map(field).join('\t')}\n`;
    lines.push(line);
    length += line.length;
    if (length < bytesPerChunk) continue;
    yield Buffer.from(lines.join(''), 'utf8');
    lines = [];
    length = 0;
  }
  if (lines.length > 0) yield Buffer.from(lines.join(''), 'utf8');
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function field(value: string | null): string {
  return value === null
    ? '\\N'
    : value.replaceAll(/[\\\n\r\t]/g, (character) => escapes[character] ?? character);
}
