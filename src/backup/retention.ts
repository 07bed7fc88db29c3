import type { ReadManifest } from './manifest.ts';

/** The time from which on every moment must be reachable. */
export interface RecoveryWindow {
  readonly days: number;
}

/**
 * Backups that no moment of the window needs. The kept ones are those that ended within it, the newest that ended
 * before it (the window's first moments are replayed from it), and every backup that these build on. Input in any
 * order; output oldest first, and never all of them.
 */
export function pickExpired(
  backups: readonly ReadManifest[],
  { days }: RecoveryWindow,
  now: Date,
): readonly ReadManifest[] {
  const begin = now.getTime() - days * 86_400_000;
  const ended = ({ manifest }: ReadManifest) => Date.parse(manifest.endedAt);
  const byAge = backups.toSorted((a, b) => ended(a) - ended(b));
  const byId = new Map(backups.map((backup) => [backup.id, backup]));
  const base = byAge.findLast((backup) => ended(backup) <= begin);
  const kept = new Set<string>();
  const keep = (backup: ReadManifest | undefined): void => {
    if (!backup || kept.has(backup.id)) return;
    kept.add(backup.id);
    if (backup.manifest.parent) keep(byId.get(backup.manifest.parent.id));
  };
  keep(base);
  for (const backup of byAge) if (ended(backup) > begin) keep(backup);
  return byAge.filter(({ id }) => !kept.has(id));
}
