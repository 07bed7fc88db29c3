import { OperationalError } from '../operational-error.ts';
import type { WireConnection } from './wire-connection.ts';

/**
 * The database sent more for a statement than its caller accepts. The statement was rolled back, unless it had
 * ended by then.
 */
export class AnswerTooLarge extends OperationalError {
  override name = 'AnswerTooLarge';
  readonly maxBytes: number;

  constructor(maxBytes: number) {
    super(`expected an answer of at most ${maxBytes} bytes from the database, and it sent more`);
    this.maxBytes = maxBytes;
  }
}

/**
 * Room for everything that the database sends besides the rows: their description, notices, the settings' own
 * row.
 */
const besideRows = 65_536;

/**
 * Counts the bytes that arrive on a connection until the returned function is called, and destroys the
 * connection when there are more than `maxBytes`. Nothing milder works: the server goes on sending whatever it
 * is told, and node-postgres collects a row until it is whole, even a gigabyte.
 */
export function limitAnswer(
  stream: WireConnection['stream'],
  maxBytes: number,
  onExceeded: (error: Error) => void,
): () => void {
  let left = maxBytes + besideRows;
  const count = (chunk: Buffer): void => {
    left -= chunk.length;
    if (left >= 0) return;
    stream.off('data', count);
    onExceeded(new AnswerTooLarge(maxBytes));
    stream.destroy();
  };
  stream.on('data', count);
  return () => stream.off('data', count);
}
