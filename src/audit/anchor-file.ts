import { open } from 'node:fs/promises';
import type { Anchor } from './anchor.ts';

/** An anchor is a line of less than 200 bytes: the end of the file that holds the last one whole. */
const tailBytes = 1_024;

/**
 * Appends a head to a file of anchors, a line of JSON, and makes sure that the disk has it. Does nothing when the file ends with
 * it. A line that a crash left half is ended first, so that it spoils no other.
 */
export async function appendAnchor(file: string, { number, hash, at, rows }: Anchor): Promise<void> {
  const line = JSON.stringify({ number, hash, at, rows });
  const handle = await open(file, 'a+', 0o600);
  try {
    const { size } = await handle.stat();
    const tail = Buffer.alloc(Math.min(size, tailBytes));
    await handle.read(tail, 0, tail.length, size - tail.length);
    const text = tail.toString('utf8');
    if (text.trimEnd().split('\n').at(-1) === line) return;
    await handle.appendFile(`${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
