/** A record of a CSV file: its fields, and its text as it stands in the file. */
export interface CsvRecord {
  readonly fields: readonly string[];
  /** Whether each field begins with a quotation mark. */
  readonly quoted: readonly boolean[];
  readonly text: string;
  /** What is wrong with its quotation marks; undefined: nothing. */
  readonly fault?: string;
}

/**
 * The records of a CSV file (RFC 4180), with commas between fields. Empty lines are left out. A field whose quotation mark is not closed runs to
 * the end of the file. Our own, although csv-parse is here: of a record with a fault it gives the beginning alone, and the quarantine has
 * every record as it stood in the file.
 */
export function* csvRecords(text: string): Generator<CsvRecord> {
  let at = 0;
  while (at < text.length) {
    const start = at;
    const fields: string[] = [];
    const quoted: boolean[] = [];
    let fault: string | undefined;
    for (;;) {
      let field = '';
      quoted.push(text[at] === '"');
      if (text[at] === '"') {
        const end = closingQuote(text, at);
        if (end === null) fault = 'a quotation mark is not closed';
        field = text.slice(at + 1, end ?? text.length).replaceAll('""', '"');
        at = end === null ? text.length : end + 1;
      }
      const from = at;
      while (at < text.length && text[at] !== ',' && text[at] !== '\n') at += 1;
      const rest = text.slice(from, text[at] === '\n' && text[at - 1] === '\r' && at > from ? at - 1 : at);
      fields.push(field + rest);
      if (text[at] !== ',') break;
      at += 1;
    }
    const record = text.slice(start, at).replace(/\r$/, '');
    at += 1;
    if (record !== '') yield { fields, quoted, text: record, ...(fault === undefined ? {} : { fault }) };
  }
}

function closingQuote(text: string, opening: number): number | null {
  for (let at = text.indexOf('"', opening + 1); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at;
  }
  return null;
}
