import type { BackupList, RestoreOptions, StoredBackups, Verification, Work } from './backups.ts';
import { RestoreRefused } from './restore-refused.ts';

/**
 * All backups in a store, of every kind. A restore goes to the first kind that has a backup: the store alone does not
 * say which database there was.
 */
export function storedBackups(kinds: readonly [StoredBackups, ...StoredBackups[]]): StoredBackups {
  return {
    list: async () => (await inOrder(kinds, (kind) => kind.list())).reduce(joinLists),
    reach: async () => {
      const reaches = await inOrder(kinds, (kind) => kind.reach());
      return reaches.find((reach) => reach !== null) ?? null;
    },
    verify: async (work: Work) =>
      (await inOrder(kinds, (kind) => kind.verify(work))).reduce(addVerifications),
    restore: async (options: RestoreOptions) => {
      let store = '';
      for (const kind of kinds) {
        const list = await kind.list();
        if (list.backups.length > 0) return kind.restore(options);
        store = list.store;
      }
      throw new RestoreRefused(`${store} holds no backup that can be read`, null);
    },
  };
}

/** One kind after the other, so that progress always belongs to one of them. */
async function inOrder<T>(
  kinds: readonly StoredBackups[],
  ask: (kind: StoredBackups) => Promise<T>,
): Promise<T[]> {
  const answers: T[] = [];
  for (const kind of kinds) answers.push(await ask(kind));
  return answers;
}

function joinLists(one: BackupList, other: BackupList): BackupList {
  return {
    store: one.store,
    backups: [...one.backups, ...other.backups].toSorted(
      (a, b) => Date.parse(a.endedAt) - Date.parse(b.endedAt),
    ),
    damaged: [...one.damaged, ...other.damaged],
  };
}

function addVerifications(one: Verification, other: Verification): Verification {
  return {
    store: one.store,
    backups: one.backups + other.backups,
    objects: one.objects + other.objects,
    walFiles: one.walFiles + other.walFiles,
    problems: [...one.problems, ...other.problems],
  };
}
