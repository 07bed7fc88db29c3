import { expect, test } from 'vitest';
import type { ReadManifest } from '../../src/backup/manifest.ts';
import { pickExpired } from '../../src/backup/retention.ts';

const now = new Date('2026-11-27T00:00:00Z');

test.each([
  ['nothing of nothing', '', ''],
  ['not the only one, however old', 'F90', ''],
  ['not the newest one before the window, from which its first moments are replayed', 'F30 F20 F3', 'F30'],
  ['not what a kept one builds on', 'F30 i29 i28 F3', ''],
  ['a chain whose last link nobody needs', 'F30 i29 i28 F20 F3', 'F30 i29 i28'],
  ['a chain only down to the link that is needed', 'F40 F30 i16 i13', 'F40'],
  ['links that nothing is built on and nobody needs', 'F30 i29 F28 i13', 'F30 i29'],
  ['the same, in any order', 'F3 F20 F30', 'F30'],
])('expired is %s', (_, kept, expired) => {
  const backups = chain(kept);
  const picked = pickExpired(backups, { days: 14 }, now);
  expect(picked.map(({ id }) => id)).toEqual(expired === '' ? [] : expired.split(' '));
  // The remaining backups are whole: everything that they build on stays, too.
  const stays = new Set(backups.filter((backup) => !picked.includes(backup)).map(({ id }) => id));
  for (const { id, manifest } of backups) {
    expect(!stays.has(id) || manifest.parent === null || stays.has(manifest.parent.id), id).toBe(true);
  }
});

/** `F30` is a full backup from 30 days ago, `i29` builds on the one before it. */
function chain(text: string): ReadManifest[] {
  const backups: ReadManifest[] = [];
  for (const id of text.split(' ').filter(Boolean)) {
    const parent = id.startsWith('i') ? backups.at(-1) : undefined;
    const at = new Date(now.getTime() - Number(id.slice(1)) * 86_400_000).toISOString();
    const kind = parent ? 'incremental' : 'full';
    backups.push({
      id,
      key: id,
      manifestSha256: id,
      signature: undefined,
      manifest: {
        format: 1,
        id,
        kind,
        parent: parent ? { id: parent.id, manifestSha256: parent.id } : null,
        startedAt: at,
        endedAt: at,
        objects: [],
        server: null,
        embedded: null,
      },
    });
  }
  return backups;
}
