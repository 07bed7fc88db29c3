import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { formatPosition, parsePosition } from './position.ts';
import type { Position } from './position.ts';

/** Turns positions into the ids that clients get. */
export interface PositionSeal {
  /** Letters, digits, `-` and `_`; a different text each time. */
  seal(position: Position): string;
  /** Null: the id was not sealed with one of these secrets, or was changed since. */
  open(id: string): Position | null;
}

/** A length that few lists of running transactions exceed, so that the id's length reveals nothing either. */
const padTo = 96;
const ivBytes = 12;
const tagBytes = 16;

/**
 * Seals positions with AES-256-GCM. A position counts the transactions of all tenants, so a client that could read it
 * would see how busy the others are. Every process with the secret opens the ids that any of them sealed. The first secret seals;
 * the others open what was sealed before the secrets were rotated.
 */
export function makePositionSeal(secrets: readonly Buffer[]): PositionSeal {
  const keys = secrets.map((secret) =>
    Buffer.from(hkdfSync('sha256', secret, '', 'positions of live events', 32)),
  );
  const [key] = keys;
  if (key === undefined) throw new Error('positions need a secret to be sealed with');
  return {
    seal: (position) => {
      const text = formatPosition(position);
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      const padded = text.padEnd(Math.ceil(text.length / padTo) * padTo);
      return Buffer.concat([iv, cipher.update(padded), cipher.final(), cipher.getAuthTag()]).toString(
        'base64url',
      );
    },
    open: (id) => {
      const bytes = Buffer.from(id, 'base64url');
      if (bytes.length <= ivBytes + tagBytes) return null;
      for (const each of keys) {
        const text = opened(bytes, each);
        if (text !== null) return parsePosition(text);
      }
      return null;
    },
  };
}

/** Null: it was sealed with another key, or was changed since. */
function opened(bytes: Buffer, key: Buffer): string | null {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes));
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(ivBytes, -tagBytes)), decipher.final()]);
    return text.toString().trimEnd();
  } catch {
    return null;
  }
}
