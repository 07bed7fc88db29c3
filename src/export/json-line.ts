import { endOfValue, stringOf } from '../import/json-members.ts';

/** A line that is not a row. The message continues a sentence that names the file and the line. */
export class LineError extends Error {
  override name = 'LineError';
}

/**
 * The values of a row, as texts that the types of its columns read; null is a null. Numbers keep their digits, because nothing is
 * parsed but strings. `jsonColumns` are those of the catalog: their values stay JSON. Throws LineError unless the line is an object with exactly
 * these columns, in this order, as an export writes it.
 */
export function valuesOf(
  line: string,
  columns: readonly string[],
  jsonColumns: ReadonlyMap<string, boolean>,
): (string | null)[] {
  return cellsOf(line, columns).map((json, i) => textOf(json, columns[i]!, jsonColumns));
}

/** The values of a row as the JSON that they are in its line. Throws as `valuesOf` does, but for what is no JSON within a value. */
export function cellsOf(line: string, columns: readonly string[]): string[] {
  const cells: string[] = [];
  let at = 1;
  if (line[0] !== '{') throw new LineError('it does not begin with {');
  for (const [i, column] of columns.entries()) {
    const key = `${JSON.stringify(column)}:`;
    if (!line.startsWith(key, at))
      throw new LineError(`expected the column ${column} at character ${at + 1}`);
    at += key.length;
    const end = endOfValue(line, at);
    cells.push(line.slice(at, end));
    const after = i === columns.length - 1 ? '}' : ',';
    if (line[end] !== after) throw new LineError(`expected ${after} behind the column ${column}`);
    at = end + 1;
  }
  if (at !== line.length) throw new LineError('something follows its object');
  return cells;
}

/** The line of a row, from the JSON of its values. */
export function lineOf(columns: readonly string[], cells: readonly string[]): string {
  return `{${columns.map((column, i) => `${JSON.stringify(column)}:${cells[i]}`).join(',')}}`;
}

const scalar = /^(?:true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

function textOf(json: string, column: string, jsonColumns: ReadonlyMap<string, boolean>): string | null {
  if (json === 'null') return jsonColumns.get(column) === true ? json : null;
  if (json[0] === '{' || json[0] === '[' || scalar.test(json)) return json;
  if (json[0] !== '"') throw new LineError(`the column ${column} is not JSON`);
  try {
    const text = stringOf(json);
    return jsonColumns.has(column) ? json : text;
  } catch (error) {
    throw new LineError(`the column ${column} is not JSON`, { cause: error });
  }
}

/** The lines of a file, without their newlines, as many as came at once. */
export async function* linesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<string[]> {
  let begun: Buffer[] = [];
  for await (const piece of pieces) {
    const end = piece.lastIndexOf(0x0a);
    if (end < 0) {
      begun.push(piece);
      continue;
    }
    const whole = Buffer.concat([...begun, piece.subarray(0, end)]);
    begun = end + 1 < piece.length ? [piece.subarray(end + 1)] : [];
    yield whole.toString('utf8').split('\n');
  }
}
