import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { signaturePattern } from './signatures.ts';
import type { Signatures } from './signatures.ts';
import type { Store } from './store/store.ts';

// What was stored before there was a signing key has no signature in its name, and no object gets another name. A list
// of such names is signed instead: signed/<time>-<SHA-256>-<signature>.json.

const keyPattern = new RegExp(`^(?<name>signed/\\d{13}-(?<sha256>[0-9a-f]{64}))${signaturePattern}\\.json$`);

/** Every name in the lists that a trusted key signed. Other lists are skipped, as if nobody had written them. */
export async function readSignedList(store: Store, signatures: Signatures): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for await (const { key } of store.list('signed/')) {
    const { name, sha256, signature } = keyPattern.exec(key)?.groups ?? {};
    if (name === undefined || signature === undefined || !signatures.isGood(name, signature)) continue;
    const content = await buffer(await store.get(key));
    if (sha256Of(content) !== sha256) continue;
    for (const each of JSON.parse(content.toString('utf8')) as string[]) names.add(each);
  }
  return names;
}

/** Signs and stores a list of names. The process must have a signing key. */
export async function writeSignedList(
  store: Store,
  signatures: Signatures,
  names: readonly string[],
  now: Date,
): Promise<void> {
  const content = Buffer.from(JSON.stringify(names));
  const name = `signed/${now.getTime()}-${sha256Of(content)}`;
  await store.put(`${name}${signatures.suffix(name)}.json`, content);
}

function sha256Of(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
