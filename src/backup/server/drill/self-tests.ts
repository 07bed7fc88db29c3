import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { BackupDamaged } from '../../backup-damaged.ts';
import type { ReadManifest } from '../../manifest.ts';
import { RestoreRefused } from '../../restore-refused.ts';
import type { Chain } from '../choose-backup.ts';
import { runFrom } from '../restore.ts';
import { segmentFile, segmentNumber, parseLsn } from '../wal/wal-position.ts';
import { findWal } from '../wal/wal-run.ts';
import { ObjectMissing } from '../../store/store.ts';
import type { Vault } from '../../vault.ts';
import { DamagedStore } from '../../store/damaged-store.ts';
import type { SelfTest } from '../../drill-verdict.ts';

/**
 * Damage that the drill does to the data it reads, never to the store. Unless each damage is noticed, nothing is
 * proven.
 */
export async function damageStore(vault: Vault, chain: Chain): Promise<readonly SelfTest[]> {
  const tests: SelfTest[] = [];
  for (const member of chain.members) {
    for (const object of smallestOfEachRole(member)) {
      const flipped = vault.over(new DamagedStore(vault.store, 'byte flipped', (key) => key === object.key));
      tests.push(await noticed(`a byte of ${object.key} flipped`, () => flipped.check(object)));
    }
  }
  const [first] = chain.last.manifest.objects;
  if (first) {
    const gone = vault.over(new DamagedStore(vault.store, 'missing', (key) => key === first.key));
    tests.push(await noticed(`${first.key} removed`, () => gone.check(first)));
  }
  return [...tests, ...(await damageWal(vault, chain))];
}

/** Damages the segment that the newest backup of the chain cannot do without. */
async function damageWal(vault: Vault, chain: Chain): Promise<readonly SelfTest[]> {
  const { endLsn, segmentBytes, systemIdentifier, timeline } = chain.position;
  const number = segmentNumber(parseLsn(endLsn) - 1n, segmentBytes);
  const file = segmentFile({ timeline, number }, segmentBytes);
  const isIt = (key: string) => key.includes(`/${file}`);
  const flipped = await findWal(
    vault.over(new DamagedStore(vault.store, 'byte flipped', isIt)),
    systemIdentifier,
    null,
  );
  const gone = await findWal(
    vault.over(new DamagedStore(vault.store, 'missing', isIt)),
    systemIdentifier,
    null,
  );
  return [
    await noticed(`a byte of WAL ${file} flipped`, async () => flipped.segments.get(file)?.check()),
    await noticed(`WAL ${file} removed`, async () => void (await runFrom(gone, chain))),
  ];
}

/** Flips a byte in the first block of a file of the copy. The copy's server has to have ended. */
export async function flipBlock(dataDirectory: string, relationFile: string): Promise<void> {
  const file = await open(join(dataDirectory, relationFile), 'r+');
  try {
    const block = Buffer.alloc(8192);
    const { bytesRead } = await file.read(block, 0, block.length, 0);
    if (bytesRead !== block.length) throw new Error(`${relationFile} has no block to damage`);
    // Rows fill a block from its end.
    const place = block.length - 16;
    block[place] = (block[place] ?? 0) ^ 1;
    await file.write(block, 0, block.length, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Runs a check that has to fail because of the damage. Any other error is passed on. */
async function noticed(damage: string, check: () => Promise<void>): Promise<SelfTest> {
  try {
    await check();
    return { damage, noticed: null };
  } catch (error) {
    if (error instanceof BackupDamaged || error instanceof ObjectMissing || error instanceof RestoreRefused) {
      return { damage, noticed: error.message };
    }
    throw error;
  }
}

function smallestOfEachRole({ manifest }: ReadManifest): ReadManifest['manifest']['objects'] {
  const smallest = new Map<string, ReadManifest['manifest']['objects'][number]>();
  for (const object of manifest.objects) {
    const known = smallest.get(object.role);
    if (!known || object.storedBytes < known.storedBytes) smallest.set(object.role, object);
  }
  return [...smallest.values()];
}
