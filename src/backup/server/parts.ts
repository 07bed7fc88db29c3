/** Bytes of one object of a base backup. An upload that breaks is repeated by part, not from the beginning. */
export const partBytes = 64 * 1024 * 1024;

/** A stretch of a stream, in memory: it can be read more than once. */
export interface Part {
  readonly chunks: readonly Buffer[];
  readonly bytes: number;
}

/** Cuts a stream into parts of `size` bytes; the last one is shorter. An empty stream has none. */
export async function* inParts(
  source: AsyncIterable<Buffer>,
  size: number = partBytes,
): AsyncGenerator<Part> {
  let chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    let rest = chunk;
    while (bytes + rest.length >= size) {
      const head = rest.subarray(0, size - bytes);
      yield { chunks: [...chunks, head], bytes: size };
      rest = rest.subarray(head.length);
      chunks = [];
      bytes = 0;
    }
    if (rest.length > 0) {
      chunks.push(rest);
      bytes += rest.length;
    }
  }
  if (bytes > 0) yield { chunks, bytes };
}
