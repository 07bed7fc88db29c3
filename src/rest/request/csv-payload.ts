import { isUtf8 } from 'node:buffer';
import { CsvError, parse } from 'csv-parse/sync';
import { RestError } from '../errors.ts';
import type { Payload } from './query.ts';

const lineFeed = 0x0a;

/**
 * The JSON of a CSV body with a header line: an array of objects whose values are text, or null where the field is
 * `NULL`. Empty lines are skipped, and fields beyond the header's are dropped. Throws PGRST102 for a header without a
 * line end, for misplaced quotes, and for lines of different lengths.
 */
export function csvPayload(body: Buffer): Extract<Payload, { kind: 'json' }> {
  const [header, ...rows] = records(body);
  if (header === undefined || (rows.length === 0 && body.at(-1) !== lineFeed)) {
    throw new RestError('PGRST102', 'parse error (not enough input) at ""');
  }
  const lines = rows.filter((row) => row.length !== 1 || row[0] !== '');
  const [firstLine] = lines;
  if (firstLine === undefined) return { kind: 'json', text: '[]', keys: [] };
  const names = header.slice(0, firstLine.length);
  const fields = Math.min(firstLine.length, header.length);
  if (lines.some((line) => Math.min(line.length, header.length) !== fields)) {
    throw new RestError('PGRST102', 'All lines must have same number of fields');
  }
  const quotedNames = names.map((name) => JSON.stringify(name));
  const objects = lines.map(
    (line) => `{${quotedNames.map((name, index) => `${name}:${jsonValue(line[index] ?? '')}`).join(',')}}`,
  );
  return { kind: 'json', text: `[${objects.join(',')}]`, keys: [...new Set(names)] };
}

function records(body: Buffer): readonly (readonly string[])[] {
  if (!isUtf8(body)) throw new RestError('PGRST102', 'parse error (the body is not UTF-8)');
  try {
    return parse(body.toString('utf8'), { record_delimiter: ['\r\n', '\n'], relax_column_count: true });
  } catch (error) {
    if (error instanceof CsvError)
      throw new RestError('PGRST102', `parse error (${error.message})`, { cause: error });
    throw error;
  }
}

function jsonValue(field: string): string {
  return field === 'NULL' ? 'null' : JSON.stringify(field);
}
