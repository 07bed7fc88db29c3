import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BackupDamaged } from '../../src/backup/backup-damaged.ts';
import {
  listManifests,
  memberKey,
  newBackupId,
  readManifest,
  readManifests,
  removeBackup,
  writeManifest,
} from '../../src/backup/manifest.ts';
import type { Manifest } from '../../src/backup/manifest.ts';
import { DirectoryStore } from '../../src/backup/store/directory-store.ts';
import { makeVault } from '../../src/backup/vault.ts';
import type { Vault } from '../../src/backup/vault.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'manifest-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function backUp(vault: Vault, at: string): Promise<Manifest> {
  const id = newBackupId('full', new Date(at));
  const object = await vault.write(memberKey(id, 'base-0001'), randomBytes(1000));
  const manifest: Manifest = {
    format: 1,
    id,
    kind: 'full',
    parent: null,
    startedAt: at,
    endedAt: at,
    objects: [{ ...object, role: 'base' }],
    server: {
      systemIdentifier: '7400000000000000001',
      timeline: 1,
      startLsn: '0/2000028',
      endLsn: '0/2000120',
      version: '17.11',
      segmentBytes: 16_777_216,
    },
    embedded: null,
  };
  await writeManifest(vault, manifest);
  return manifest;
}

it('an id sorts by time and says the kind', () => {
  expect(newBackupId('incremental', new Date('2026-11-27T13:30:00.123Z'))).toMatch(
    /^20261127T133000Z-incremental-[0-9a-f]{6}$/,
  );
});

for (const [name, key] of [
  ['plain', null],
  ['encrypted', randomBytes(32)],
] as const) {
  describe(`manifests, ${name}`, () => {
    let vault: Vault;
    beforeEach(() => {
      vault = makeVault(new DirectoryStore(root), key);
    });

    it('are read as they were written, oldest first', async () => {
      const second = await backUp(vault, '2026-11-02T00:00:00.000Z');
      const first = await backUp(vault, '2026-11-01T00:00:00.000Z');
      const { manifests, damaged } = await readManifests(vault);
      expect(damaged).toEqual([]);
      expect(manifests.map(({ manifest }) => manifest)).toEqual([first, second]);
    });

    it('are refused by name when any one of their bytes was changed', async () => {
      const { id } = await backUp(vault, '2026-11-01T00:00:00.000Z');
      const other = await backUp(vault, '2026-11-02T00:00:00.000Z');
      const [listed] = await listManifests(vault);
      if (!listed) throw new Error('no manifest is listed');
      const file = path.join(root, listed.key);
      const bytes = await readFile(file);
      for (let at = 0; at < bytes.length; at += 7) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ 1;
        await writeFile(file, flipped);
        await expect(readManifest(vault, listed)).rejects.toThrow(`${listed.key} is damaged`);
      }
      await writeFile(file, bytes);
      await truncate(file, bytes.length - 1);
      const { manifests, damaged } = await readManifests(vault);
      // A damaged manifest does not hide the others.
      expect(manifests.map((read) => read.id)).toEqual([other.id]);
      expect(damaged).toEqual([expect.any(BackupDamaged)]);
      expect(damaged[0]?.member).toContain(id);
    });

    it('are refused under the name of another backup', async () => {
      const [one, two] = [
        await backUp(vault, '2026-11-01T00:00:00.000Z'),
        await backUp(vault, '2026-11-02T00:00:00.000Z'),
      ];
      const [first] = await listManifests(vault);
      if (!first) throw new Error('no manifest is listed');
      const moved = first.key.replace(one.id, two.id);
      await rename(path.join(root, first.key), path.join(root, moved));
      await expect(readManifest(vault, { ...first, id: two.id, key: moved })).rejects.toThrow(
        `${moved} is damaged`,
      );
    });

    it('make a backup exist: one without a manifest is not listed', async () => {
      const id = newBackupId('full', new Date());
      await vault.write(memberKey(id, 'base-0001'), randomBytes(1000));
      await writeFile(path.join(root, memberKey(id, 'manifest-tmp.json')), '{}');
      expect(await listManifests(vault)).toEqual([]);
    });

    it('are removed first when a backup is removed, and its objects after them', async () => {
      await backUp(vault, '2026-11-01T00:00:00.000Z');
      const kept = await backUp(vault, '2026-11-02T00:00:00.000Z');
      const [first] = await listManifests(vault);
      if (!first) throw new Error('no manifest is listed');
      await removeBackup(vault, first);
      const left: string[] = [];
      for await (const { key: found } of vault.store.list('')) left.push(found);
      expect(left).toHaveLength(2);
      expect(left.every((found) => found.includes(kept.id))).toBe(true);
    });
  });
}

it('an encrypted manifest shows nothing', async () => {
  const vault = makeVault(new DirectoryStore(root), randomBytes(32));
  await backUp(vault, '2026-11-01T00:00:00.000Z');
  const [listed] = await listManifests(vault);
  if (!listed) throw new Error('no manifest is listed');
  expect((await readFile(path.join(root, listed.key))).includes('systemIdentifier')).toBe(false);
  await expect(readManifest(makeVault(vault.store, null), listed)).rejects.toThrow(
    'BACKUP_ENCRYPTION_KEY is not set',
  );
});
