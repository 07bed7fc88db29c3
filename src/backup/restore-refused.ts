import { OperationalError } from '../operational-error.ts';
import type { BackupDamaged } from './backup-damaged.ts';

/** A restore was refused before anything was written. */
export class RestoreRefused extends OperationalError {
  override name = 'RestoreRefused';
  /** The object, WAL file or backup that is missing or damaged; null: the refusal has another reason. */
  readonly member: string | null;

  constructor(message: string, member: string | null, options?: ErrorOptions) {
    super(message, options);
    this.member = member;
  }
}

/**
 * Throws RestoreRefused when a manifest cannot be read and the caller named no backup: the damaged one may be the very
 * backup that would be chosen.
 */
export function refuseUnreadable([first]: readonly BackupDamaged[], from: string | null): void {
  if (!first || from !== null) return;
  throw new RestoreRefused(
    `${first.message}. To begin with another backup name it: --from ID`,
    first.member,
    {
      cause: first,
    },
  );
}

/** A store that holds no readable backup of a kind: the reason why those that it holds cannot be read, if it holds any. */
export function nothingReadable(
  store: string,
  kind: string,
  [first]: readonly BackupDamaged[],
): RestoreRefused {
  const why = first ? `: ${first.message}` : '';
  return new RestoreRefused(`${store} holds no ${kind} that can be read${why}`, first?.member ?? null, {
    cause: first,
  });
}
