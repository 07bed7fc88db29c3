import { listManifests, originOf, readManifest } from '../manifest.ts';
import { removeAll } from '../store/remove-all.ts';
import type { Vault } from '../vault.ts';
import { chunkFolder } from './chunk-store.ts';
import { readIndex } from './file-index.ts';
import { markCollection } from './marks.ts';

export interface Collected {
  readonly objects: number;
  readonly bytes: number;
}

const memberPattern = /^backups\/(?<id>[^/]+-snapshot-[^/]+)\//;

/**
 * Removes the chunks that no snapshot names, and the remains of snapshots that were never finished. Removes nothing
 * while a snapshot is being taken (StoreBusy), or when one cannot be read, because its chunks are then unknown
 * (BackupDamaged).
 */
export async function collectGarbage(vault: Vault, now: () => Date): Promise<Collected> {
  const unmark = await markCollection(vault.store, now);
  try {
    const named = new Set<string>();
    const ids = new Set<string>();
    for (const listed of await listManifests(vault)) {
      ids.add(listed.id);
      if (originOf(listed) !== 'embedded') continue;
      const { manifest } = await readManifest(vault, listed);
      for (const { chunks } of (await readIndex(vault, manifest)).files) {
        for (const { key } of chunks) named.add(key);
      }
    }
    const garbage: { key: string; bytes: number }[] = [];
    for await (const object of vault.store.list(chunkFolder))
      if (!named.has(object.key)) garbage.push(object);
    for await (const object of vault.store.list('backups/')) {
      const id = memberPattern.exec(object.key)?.groups?.['id'];
      if (id !== undefined && !ids.has(id)) garbage.push(object);
    }
    await removeAll(
      vault.store,
      garbage.map(({ key }) => key),
    );
    return { objects: garbage.length, bytes: garbage.reduce((sum, { bytes }) => sum + bytes, 0) };
  } finally {
    await unmark();
  }
}
