import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BackupDamaged } from '../../src/backup/backup-damaged.ts';
import { DirectoryStore } from '../../src/backup/store/directory-store.ts';
import { ObjectMissing } from '../../src/backup/store/store.ts';
import { makeVault } from '../../src/backup/vault.ts';
import type { StoredObject, Vault } from '../../src/backup/vault.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'vault-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const content = (vault: Vault, object: StoredObject) => vault.read(object).then(buffer);
const thrice = ({ key }: StoredObject) => [key, key, key];
const file = (key: string) => path.join(root, key);

/** The damage that the three ways of reading find, as the names of the damaged objects; `wrong` for any other error. */
async function damageOf(vault: Vault, object: StoredObject): Promise<string[]> {
  const found: string[] = [];
  for (const look of [
    () => content(vault, object),
    () => vault.readWhole(object),
    () => vault.check(object),
  ]) {
    const error: unknown = await look().then(
      () => 'nothing was found',
      (caught: unknown) => caught,
    );
    const named = error instanceof BackupDamaged && error.message.includes(object.key);
    found.push(named ? error.member : `wrong: ${String(error)}`);
  }
  return found;
}

for (const [name, key] of [
  ['a plain vault', null],
  ['an encrypted vault', randomBytes(32)],
] as const) {
  describe(`${name}`, () => {
    let vault: Vault;
    beforeEach(() => {
      vault = makeVault(new DirectoryStore(root), key);
    });
    /** A draft written in two pieces that share the same memory. */
    const inTwo = async (label: string, bytes: Buffer) => {
      const draft = vault.draft(label);
      const middle = bytes.length >> 1;
      const memory = Buffer.alloc(bytes.length - middle);
      for (const piece of [bytes.subarray(0, middle), bytes.subarray(middle)]) {
        memory.set(piece);
        await draft.write(memory.subarray(0, piece.length));
        memory.fill(0);
      }
      return draft;
    };

    it('gives back what was written, in one piece or in two, empty or not', async () => {
      const large = Buffer.concat([randomBytes(400_000), Buffer.alloc(400_000)]);
      for (const bytes of [Buffer.alloc(0), Buffer.from('x'), large]) {
        for (const object of [
          await vault.write('o/whole', bytes),
          await inTwo('o/pieces', bytes).then((draft) => draft.store()),
        ]) {
          expect(object.bytes).toBe(bytes.length);
          expect(object.storedBytes).toBe((await readFile(file(object.key))).length);
          expect((await content(vault, object)).equals(bytes)).toBe(true);
          expect((await vault.readWhole(object)).equals(bytes)).toBe(true);
          await vault.check(object);
        }
      }
      const object = await vault.write('o/large', large);
      expect(object.storedBytes).toBeLessThan(410_000);
    });

    it('stores a draft again when the store failed, and nothing of it until then', async () => {
      const bytes = randomBytes(300_000);
      const draft = await inTwo('o/again', bytes);
      await expect(draft.store(AbortSignal.abort(new Error('the store broke')))).rejects.toThrow(
        /the store broke|abort/,
      );
      for await (const { key: left } of vault.store.list('')) expect(left).toBe('nothing');
      const object = await draft.store();
      expect((await vault.readWhole(object)).equals(bytes)).toBe(true);
    });

    it('refuses an object with any one byte flipped, by its name', async () => {
      const object = await vault.write('o/flipped', Buffer.from('some content, some content'));
      const bytes = await readFile(file(object.key));
      for (let at = 0; at < bytes.length; at++) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
        await writeFile(file(object.key), flipped);
        expect(await damageOf(vault, object), `byte ${at} of ${bytes.length}`).toEqual(thrice(object));
      }
    });

    it('refuses an object that has become shorter or longer', async () => {
      const object = await vault.write('o/cut', randomBytes(300_000));
      const bytes = await readFile(file(object.key));
      for (const length of [0, 3, 6, 10, 18, 34, 200_000, bytes.length - 17, bytes.length - 1]) {
        await writeFile(file(object.key), bytes);
        await truncate(file(object.key), length);
        expect(await damageOf(vault, object), `${length} bytes`).toEqual(thrice(object));
      }
      await writeFile(file(object.key), Buffer.concat([bytes, Buffer.from('x')]));
      expect(await damageOf(vault, object)).toEqual(thrice(object));
    });

    it('names a missing object', async () => {
      const object = await vault.write('o/gone', Buffer.from('x'));
      await vault.store.remove(object.key);
      await expect(content(vault, object)).rejects.toThrow(ObjectMissing);
      await expect(vault.check(object)).rejects.toThrow('o/gone is missing');
    });

    it('refuses two objects that were swapped', async () => {
      const [one, two] = [
        await vault.write('o/1', Buffer.from('one')),
        await vault.write('o/2', Buffer.from('two')),
      ];
      await cp(file('o/1'), file('o/1.aside'));
      await cp(file('o/2'), file('o/1'));
      await cp(file('o/1.aside'), file('o/2'));
      expect(await damageOf(vault, one)).toEqual(thrice(one));
      expect(await damageOf(vault, two)).toEqual(thrice(two));
    });

    it('closes its source when the reader goes away', async () => {
      const object = await vault.write('o/long', randomBytes(3_000_000));
      let source: Readable | undefined;
      const watched = makeVault(
        Object.assign(Object.create(vault.store), {
          get: async (k: string) => (source = await vault.store.get(k)),
        }),
        key,
      );
      const reading = await watched.read(object);
      for await (const _ of reading) break;
      await expect.poll(() => source?.destroyed).toBe(true);
    });
  });
}

describe('encryption', () => {
  it('reveals nothing of the content, and never stores the same bytes twice', async () => {
    const vault = makeVault(new DirectoryStore(root), randomBytes(32));
    const secret = Buffer.from('the one and only secret');
    const [one, two] = [await vault.write('o/1', secret), await vault.write('o/2', secret)];
    expect((await readFile(file('o/1'))).includes('secret')).toBe(false);
    expect(one.sha256).not.toBe(two.sha256);
    expect(vault.fingerprint(secret)).toBe(vault.fingerprint(secret));
    expect(vault.fingerprint(secret)).not.toBe(makeVault(vault.store, null).fingerprint(secret));
  });

  it('refuses a swap even when the digests match: a stored object knows its name', async () => {
    const vault = makeVault(new DirectoryStore(root), randomBytes(32));
    const [one, two] = [
      await vault.write('o/1', Buffer.from('one')),
      await vault.write('o/2', Buffer.from('two')),
    ];
    await cp(file('o/2'), file('o/1'));
    const forged = { ...two, key: one.key };
    await vault.check(forged);
    await expect(vault.readWhole(forged)).rejects.toThrow(/o\/1 is damaged: it cannot be decrypted/);
    await expect(content(vault, forged)).rejects.toThrow(/o\/1 is damaged: it cannot be decrypted/);
  });

  it('says what is wrong with the key', async () => {
    const store = new DirectoryStore(root);
    const object = await makeVault(store, randomBytes(32)).write('o/1', Buffer.from('one'));
    await expect(content(makeVault(store, randomBytes(32)), object)).rejects.toThrow(
      'BACKUP_ENCRYPTION_KEY is another one',
    );
    await expect(content(makeVault(store, null), object)).rejects.toThrow('BACKUP_ENCRYPTION_KEY is not set');
  });
});
