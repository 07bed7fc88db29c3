import type { RequestedBackup } from '../backups.ts';
import type { ReadManifest } from '../manifest.ts';
import type { ServerFacts } from './server-facts.ts';

/** The kind of the next backup, and the reason for it, as text for people. */
export type BackupPlan =
  | { readonly kind: 'full'; readonly why: string }
  | { readonly kind: 'incremental'; readonly parent: ReadManifest; readonly why: string };

export interface PlanOptions {
  /** `auto`: incremental if possible. `incremental`: the same, even when the last full backup is a week old. */
  readonly requested: RequestedBackup;
  /** Every readable backup, in any order. */
  readonly backups: readonly ReadManifest[];
  /** Keys of objects that are missing from the store. */
  readonly missingKeys: ReadonlySet<string>;
  readonly server: Pick<ServerFacts, 'systemIdentifier' | 'timeline' | 'version' | 'summarizesWal' | 'now'>;
}

/** Age of the last full backup at which `auto` makes another full one. */
const fullEveryMs = 7 * 86_400_000;

/**
 * Decides what the next backup is. An incremental one builds on the newest backup, and only when that backup and
 * everything below it are in the store and belong to this very server: the same cluster, timeline and version.
 */
export function planBackup({ requested, backups, missingKeys, server }: PlanOptions): BackupPlan {
  const full = (why: string): BackupPlan => ({ kind: 'full', why });
  if (requested === 'full') return full('it was asked for');
  const parent = backups
    .filter(({ manifest }) => manifest.server !== null)
    .toSorted((a, b) => Date.parse(a.manifest.endedAt) - Date.parse(b.manifest.endedAt))
    .at(-1);
  const position = parent?.manifest.server;
  if (!parent || !position) return full('the store has no backup to build on yet');
  if (position.systemIdentifier !== server.systemIdentifier) {
    return full(`${parent.id} is of another cluster (system identifier ${position.systemIdentifier})`);
  }
  if (position.timeline !== server.timeline) {
    return full(
      `the server was promoted since ${parent.id}: timeline ${server.timeline}, not ${position.timeline}`,
    );
  }
  if (position.version !== server.version) {
    return full(
      `the server was upgraded since ${parent.id}: ${server.version}, which was ${position.version}`,
    );
  }
  if (!server.summarizesWal) return full('the server does not summarize its WAL (summarize_wal is off)');
  const chain = chainOf(parent, backups);
  if ('broken' in chain) return full(chain.what);
  for (const { id, manifest } of chain) {
    const lost = manifest.objects.find(({ key }) => missingKeys.has(key));
    if (lost) return full(`${lost.key} of ${id} is missing from the store`);
  }
  const [first] = chain;
  const age = first ? server.now.getTime() - Date.parse(first.manifest.endedAt) : Infinity;
  if (requested === 'auto' && age >= fullEveryMs) {
    return full(`the last full backup, ${first?.id}, is ${Math.floor(age / 86_400_000)} days old`);
  }
  return { kind: 'incremental', parent, why: `it builds on ${parent.id}` };
}

/** A backup cannot be restored, because of one that it builds on. */
export interface BrokenChain {
  /** The id of the backup that is at fault. */
  readonly broken: string;
  readonly what: string;
}

/** A backup and every backup that it builds on, the full one first; or the fault of one of them. */
export function chainOf(
  backup: ReadManifest,
  backups: readonly ReadManifest[],
): readonly ReadManifest[] | BrokenChain {
  const byId = new Map(backups.map((each) => [each.id, each]));
  const chain = [backup];
  for (let parent = backup.manifest.parent; parent !== null; parent = chain[0]?.manifest.parent ?? null) {
    const found = byId.get(parent.id);
    const child = chain[0]?.id;
    const broken = (what: string): BrokenChain => ({ broken: parent.id, what });
    if (!found) return broken(`${parent.id}, which ${child} builds on, is missing or cannot be read`);
    if (found.manifestSha256 !== parent.manifestSha256) {
      return broken(`${parent.id} is not the backup that ${child} was built on: its manifest is another one`);
    }
    if (chain.includes(found)) return broken(`${parent.id} builds on itself`);
    chain.unshift(found);
  }
  return chain;
}
