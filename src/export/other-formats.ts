import { copyLines } from '../import/copy-lines.ts';
import { linesOf, valuesOf } from './json-line.ts';
import type { LineColumns } from './json-line.ts';

/** Lines of an export as CSV with a header, as `copy ... with (format csv, header)` reads it: nothing is a null, and "" an empty text. */
export async function* asCsv(lines: AsyncIterable<Buffer>, line: LineColumns): AsyncGenerator<Buffer> {
  yield Buffer.from(`${line.columns.map(csvField).join(',')}\n`);
  for await (const some of linesOf(lines)) {
    yield Buffer.from(
      some.map((text) => `${valuesOf(text, line).map(csvField).join(',')}\n`).join(''),
      'utf8',
    );
  }
}

function csvField(value: string | null): string {
  if (value === null) return '';
  return value === '' || value === '\\.' || /[",\r\n]/.test(value)
    ? `"${value.replaceAll('"', '""')}"`
    : value;
}

/** Lines of an export as the data of a `copy ... from stdin`, without its end. */
export async function* asCopy(lines: AsyncIterable<Buffer>, line: LineColumns): AsyncGenerator<Buffer> {
  for await (const some of linesOf(lines)) yield* copyLines(some.map((text) => valuesOf(text, line)));
}
