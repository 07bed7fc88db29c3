import type { BackupList, RestoreOptions, StoredBackups, Verification, Work } from './backups.ts';
import { nothingReadable } from './restore-refused.ts';

/**
 * All backups in a store, of every kind. A restore goes to the first kind that has a readable backup: the store alone does not
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
      const lists = await inOrder(kinds, (kind) => kind.list());
      const readable = lists.findIndex(({ backups }) => backups.length > 0);
      // A kind of which nothing can be read refuses the restore, and says why.
      const chosen = readable === -1 ? lists.findIndex(({ damaged }) => damaged.length > 0) : readable;
      const kind = kinds[chosen];
      if (kind) return kind.restore(options);
      throw nothingReadable(lists[0]?.store ?? '', 'backup', []);
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
