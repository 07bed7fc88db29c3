import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

/** Postgres' own number (scram_iterations). Our passwords are random, so that more rounds would protect nothing. */
const iterations = 4096;

/**
 * The verifier that Postgres stores for a password, in its form (RFC 5803): `alter role ... password` takes it as it takes a
 * password. The server checks a password with it and cannot tell it, and neither can whoever reads the statement in the server's
 * log. The password must be printable ASCII, which SASLprep (RFC 4013) leaves as it is.
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16)): string {
  if (!/^[!-~]+$/.test(password)) throw new Error('the password is not printable ASCII');
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const keyOf = (name: string): Buffer => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  const server = keyOf('Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${server}`;
}
