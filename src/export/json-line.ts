import { endOfValue, stringOf } from '../import/json-members.ts';

/** A line that is not a row. The message continues a sentence that names the file and the line. */
export class LineError extends Error {
  override name = 'LineError';
}

/** The columns of a line, in order. */
export interface LineColumns {
  readonly columns: readonly string[];
  /** Those whose values are JSON themselves (`jsonb`). */
  readonly json: ReadonlySet<string>;
}

/**
 * The member behind the columns that names those with a JSON null, which looks as if there were no value. No column can have an empty name. It is missing
 * where there is no JSON null.
 */
export const nullsMember = '';

/** A row as it stands in its line: the JSON of each value, and the columns whose null is one of JSON. */
export interface Cells {
  readonly cells: readonly string[];
  readonly nulls: readonly string[];
}

/**
 * The values of a row, as texts that the types of its columns read; null is a null. Numbers keep their digits, because nothing is
 * parsed but strings. Throws LineError unless the line is an object with exactly these columns, in this order, as an export writes it.
 */
export function valuesOf(line: string, { columns, json }: LineColumns): (string | null)[] {
  const { cells, nulls } = cellsOf(line, columns);
  const wrong = nulls.find((name) => !json.has(name));
  if (wrong !== undefined)
    throw new LineError(`the column ${wrong} is said to have a JSON null, and has none`);
  return cells.map((cell, i) => {
    const column = columns[i]!;
    return nulls.includes(column) ? 'null' : textOf(cell, column, json.has(column));
  });
}

/** The row of a line, split. Throws as `valuesOf` does, but for what is no JSON within a value. */
export function cellsOf(line: string, columns: readonly string[]): Cells {
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
    const isLast = i === columns.length - 1;
    if (isLast && line.startsWith(nullsKey, end)) return { cells, nulls: nullsIn(line, end, columns, cells) };
    const after = isLast ? '}' : ',';
    if (line[end] !== after) throw new LineError(`expected ${after} behind the column ${column}`);
    at = end + 1;
  }
  if (at !== line.length) throw new LineError('something follows its object');
  return { cells, nulls: [] };
}

/** The line of a row. */
export function lineOf(columns: readonly string[], { cells, nulls }: Cells): string {
  const members = columns.map((column, i) => `${JSON.stringify(column)}:${cells[i]}`).join(',');
  return `{${members}${nulls.length === 0 ? '' : `${nullsKey}${JSON.stringify(nulls)}`}}`;
}

const nullsKey = `,${JSON.stringify(nullsMember)}:`;

/** The columns that the member at `from`, the last one of the line, names: each has a null. */
function nullsIn(
  line: string,
  from: number,
  columns: readonly string[],
  cells: readonly string[],
): readonly string[] {
  let named: unknown;
  try {
    named = JSON.parse(line.slice(from + nullsKey.length, -1));
  } catch {
    named = null;
  }
  if (!line.endsWith('}') || !Array.isArray(named) || named.length === 0)
    throw new LineError('its last member is not a list of columns');
  const wrong = (named as unknown[]).find(
    (name) => typeof name !== 'string' || cells[columns.indexOf(name)] !== 'null',
  );
  if (wrong !== undefined)
    throw new LineError(`the column ${JSON.stringify(wrong)} is said to have a JSON null, and has none`);
  return named as string[];
}

const scalar = /^(?:true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

function textOf(json: string, column: string, isJson: boolean): string | null {
  if (json === 'null') return null;
  if (json[0] === '{' || json[0] === '[' || scalar.test(json)) return json;
  if (json[0] !== '"') throw new LineError(`the column ${column} is not JSON`);
  try {
    const text = stringOf(json);
    return isJson ? json : text;
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
