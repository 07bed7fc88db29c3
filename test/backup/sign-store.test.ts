import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listManifests, newBackupId, readManifests, writeManifest } from '../../src/backup/manifest.ts';
import { signStore } from '../../src/backup/sign-store.ts';
import { makeSignatures } from '../../src/backup/signatures.ts';
import { DirectoryStore } from '../../src/backup/store/directory-store.ts';
import { SpoolArchiver } from '../../src/backup/server/wal/archive-spool.ts';
import { archiveWal, hasSegment, listArchivedWal } from '../../src/backup/server/wal/wal-archive.ts';
import { findWal } from '../../src/backup/server/wal/wal-run.ts';
import { makeVault } from '../../src/backup/vault.ts';
import type { Vault } from '../../src/backup/vault.ts';

// Others can write to the store: they have none of the keys, and may copy, remove and add whatever they like.

const ours = generateKeyPairSync('ed25519');
const theirs = generateKeyPairSync('ed25519');
const segment = '000000010000000000000004';
const now = () => new Date();

let folder: string;
let store: DirectoryStore;
/** Has the signing key, has the public key only, has no key, has a key of their own. */
let signer: Vault;
let reader: Vault;
let keyless: Vault;
let forger: Vault;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signed-'));
  store = new DirectoryStore(join(folder, 'store'));
  signer = makeVault(store, null, makeSignatures(ours.privateKey, []));
  reader = makeVault(store, null, makeSignatures(null, [ours.publicKey]));
  keyless = makeVault(store, null);
  forger = makeVault(store, null, makeSignatures(theirs.privateKey, []));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const back = async (vault: Vault, second: number): Promise<string> => {
  const at = new Date(Date.UTC(2026, 10, 30, 1, 2, second));
  const id = newBackupId('snapshot', at);
  const times = { startedAt: at.toISOString(), endedAt: at.toISOString() };
  const manifest = { format: 1, id, kind: 'snapshot', parent: null, objects: [], server: null } as const;
  await writeManifest(vault, { ...manifest, ...times, embedded: null });
  return id;
};
const readable = async (vault: Vault): Promise<[ids: string[], refused: string[]]> => {
  const { manifests, damaged } = await readManifests(vault);
  return [manifests.map(({ id }) => id), damaged.map(({ message }) => message)];
};

describe('backups', () => {
  test('that were signed are read by who has the public key only', async () => {
    const id = await back(signer, 1);
    for (const vault of [signer, reader, keyless]) expect(await readable(vault)).toEqual([[id], []]);
  });

  test('that somebody else stored are refused: unsigned, signed by another key, or with a copied signature', async () => {
    const honest = await back(signer, 1);
    await back(keyless, 2);
    await back(forger, 3);
    const [own] = await listManifests(signer);
    const forged = Buffer.from('{"format":1}');
    const digest = createHash('sha256').update(forged).digest('hex');
    await store.put(`backups/${honest}/manifest-${digest}-${own!.signature}.json`, forged);
    for (const vault of [signer, reader]) {
      const [ids, refused] = await readable(vault);
      expect(ids).toEqual([honest]);
      expect(refused).toHaveLength(3);
      expect(refused.filter((message) => message.includes('it is not signed'))).toHaveLength(1);
      expect(refused.filter((message) => message.includes('not one of the trusted keys'))).toHaveLength(2);
    }
  });

  test('of a store that was rewritten whole are all refused', async () => {
    await back(forger, 1);
    await back(keyless, 2);
    const [ids, refused] = await readable(reader);
    expect([ids, refused.length]).toEqual([[], 2]);
  });

  test('of the time before there was a key are trusted once they were signed, and what comes later is not', async () => {
    const id = await back(keyless, 1);
    expect((await readable(signer))[0]).toEqual([]);
    expect(await signStore(signer, now())).toEqual({ backups: 1, wal: 0 });
    await back(keyless, 2);
    // A list of their own vouches for nothing.
    await signStore(forger, now());
    const anew = makeVault(store, null, makeSignatures(null, [ours.publicKey]));
    const [ids, refused] = await readable(anew);
    expect([ids, refused.length]).toEqual([[id], 1]);
  });

  test('are signed once', async () => {
    await back(signer, 1);
    await back(keyless, 2);
    expect(await signStore(signer, now())).toEqual({ backups: 1, wal: 0 });
    const again = makeVault(store, null, makeSignatures(ours.privateKey, []));
    expect(await signStore(again, now())).toEqual({ backups: 0, wal: 0 });
  });

  test('of an older key are trusted while its public key is, and after that once they were signed anew', async () => {
    const id = await back(signer, 1);
    const next = generateKeyPairSync('ed25519');
    const both = makeVault(store, null, makeSignatures(next.privateKey, [ours.publicKey]));
    expect(await readable(both)).toEqual([[id], []]);
    const only = () => makeVault(store, null, makeSignatures(next.privateKey, []));
    expect((await readable(only()))[0]).toEqual([]);
    expect(await signStore(only(), now())).toEqual({ backups: 1, wal: 0 });
    expect(await readable(only())).toEqual([[id], []]);
  });
});

describe('WAL', () => {
  const archive = (vault: Vault, content: string) =>
    archiveWal(vault, '7', { kind: 'segment', file: segment, content: Buffer.from(content), now: now() });

  test('that was signed is read by who has the public key only', async () => {
    await archive(signer, 'honest');
    const { segments } = await findWal(reader, '7', null);
    expect((await segments.get(segment)!.read()).toString()).toBe('honest');
  });

  test('that somebody else stored is refused by name', async () => {
    for (const vault of [keyless, forger]) {
      const { key } = await archive(vault, 'forged');
      const { segments } = await findWal(reader, '7', null);
      await expect(segments.get(segment)!.check()).rejects.toThrow(`${key} is damaged: it`);
      await store.remove(key);
    }
  });

  test('that somebody else stored beside it does not take its place, although it is younger', async () => {
    await archive(signer, 'honest');
    await archive(keyless, 'forged');
    await archive(forger, 'forged as well');
    expect(await listArchivedWal(reader, '7')).toHaveLength(3);
    const { segments } = await findWal(reader, '7', null);
    expect((await segments.get(segment)!.read()).toString()).toBe('honest');
  });

  test('that was received is stored although somebody else stored a file of its name', async () => {
    const spool = join(folder, 'spool');
    await new DirectoryStore(spool).put(segment, Buffer.from('received'));
    await archive(forger, 'forged');
    expect(await hasSegment(signer, '7', segment)).toBe(false);
    const archiver = new SpoolArchiver({ vault: signer, systemIdentifier: '7', spoolDirectory: spool, now });
    expect(await archiver.archive({ partial: false })).toHaveLength(1);
    expect(await hasSegment(signer, '7', segment)).toBe(true);
    const { segments } = await findWal(reader, '7', null);
    expect((await segments.get(segment)!.read()).toString()).toBe('received');
  });

  test('of the time before there was a key is trusted once it was signed', async () => {
    await archive(keyless, 'before');
    expect(await signStore(signer, now())).toEqual({ backups: 0, wal: 1 });
    const { segments } = await findWal(reader, '7', null);
    expect((await segments.get(segment)!.read()).toString()).toBe('before');
  });
});
