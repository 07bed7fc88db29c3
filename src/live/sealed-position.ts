import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { formatPosition, parsePosition } from './position.ts';
import type { Position } from './position.ts';

/** Turns positions into the ids that clients get. */
export interface PositionSeal {
  /** Letters, digits, `-` and `_`; a different text each time. */
  seal(position: Position): string;
  /** Null: the id was not sealed with this secret, or was changed since. */
  open(id: string): Position | null;
}

/** A length that few lists of running transactions exceed, so that the id's length reveals nothing either. */
const padTo = 96;
const ivBytes = 12;
const tagBytes = 16;

/**
 * Seals positions with AES-256-GCM. A position counts the transactions of all tenants, so a client that could read it
 * would see how busy the others are. Every process with the secret opens the ids that any of them sealed.
 */
export function makePositionSeal(secret: string): PositionSeal {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'positions of live events', 32));
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
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes));
      decipher.setAuthTag(bytes.subarray(-tagBytes));
      try {
        const text = Buffer.concat([decipher.update(bytes.subarray(ivBytes, -tagBytes)), decipher.final()]);
        return parsePosition(text.toString().trimEnd());
      } catch {
        return null;
      }
    },
  };
}
