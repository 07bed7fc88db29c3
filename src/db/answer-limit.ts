import { OperationalError } from '../operational-error.ts';
import type { WireConnection } from './wire-connection.ts';

/** The database sent more for a statement than its caller takes. What the statement did was undone, unless it had ended by then. */
export class AnswerTooLarge extends OperationalError {
  override name = 'AnswerTooLarge';
  readonly maxBytes: number;

  constructor(maxBytes: number) {
    super(`the database's answer has more than ${maxBytes} bytes`);
    this.maxBytes = maxBytes;
  }
}

/** Room for what the database sends beside the rows: their description, notices, the settings' own row. */
const besideRows = 65_536;

/**
 * Counts what arrives on a connection until the returned function is called, and destroys the connection once it is more
 * than `maxBytes`: the server goes on sending whatever it is told, and node-postgres keeps a row until it is whole, be it a
 * gigabyte.
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
