import { createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

// A manifest and a file of WAL have the SHA-256 of what is stored in their name, so a signed name vouches for the
// content, and a manifest for every object that it lists. The signature is a part of the name: a listing says
// everything, and no further object has to be stored for each file.

/** The signatures of names in a store (Ed25519, RFC 8032). */
export interface Signatures {
  /** The public half of the key that signs here, as BACKUP_PUBLIC_KEY takes it. Null: nothing is signed. */
  readonly publicKey: string | null;
  /** Whether what is not signed is refused. */
  readonly checks: boolean;
  /** The end of a new name: `-` and the signature in base64url, or empty without a key. */
  suffix(name: string): string;
  /** Whether the signature, in base64url, is one of the trusted keys' for the name. */
  isGood(name: string, signature: string): boolean;
}

/** Matches the end that `suffix` gives a name, for patterns of names. */
export const signaturePattern = '(?:-(?<signature>[A-Za-z0-9_-]{86}))?';

/** Nothing is signed, and nothing is checked. */
export const noSignatures: Signatures = {
  publicKey: null,
  checks: false,
  suffix: () => '',
  isGood: () => false,
};

/**
 * `signingKey` signs, and is trusted as well as `publicKeys`. All are Ed25519. Without any key nothing is checked.
 */
export function makeSignatures(signingKey: KeyObject | null, publicKeys: readonly KeyObject[]): Signatures {
  const own = signingKey && createPublicKey(signingKey);
  const trusted = own === null ? publicKeys : [own, ...publicKeys];
  if (trusted.length === 0) return noSignatures;
  return {
    publicKey: own && own.export({ format: 'der', type: 'spki' }).toString('base64'),
    checks: true,
    suffix: (name) =>
      signingKey === null ? '' : `-${sign(null, messageOf(name), signingKey).toString('base64url')}`,
    isGood: (name, signature) =>
      trusted.some((key) => verify(null, messageOf(name), key, Buffer.from(signature, 'base64url'))),
  };
}

/** The purpose stands first, so that the key's signatures of anything else are worth nothing here. */
function messageOf(name: string): Buffer {
  return Buffer.from(`agent-lightning backup\n${name}`);
}
