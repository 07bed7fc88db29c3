import { createHash } from 'node:crypto';

/** A digest of lines that come in pieces, each of whole lines. */
export interface LineDigest {
  add(piece: Buffer): void;
  digest(): string;
}

/** The SHA-256 of the lines in their order. */
export function orderedDigest(): LineDigest {
  const hash = createHash('sha256');
  return { add: (piece) => void hash.update(piece), digest: () => hash.digest('hex') };
}

const modulus = 1n << 256n;

/** The sum of the SHA-256 of each line: the same in any order, and a line more or less is another sum. */
export function unorderedDigest(): LineDigest {
  let sum = 0n;
  return {
    add(piece) {
      for (let from = 0; from < piece.length;) {
        const end = piece.indexOf(0x0a, from) + 1;
        sum += BigInt(`0x${createHash('sha256').update(piece.subarray(from, end)).digest('hex')}`);
        from = end;
      }
      sum %= modulus;
    },
    digest: () => sum.toString(16).padStart(64, '0'),
  };
}
