import type { JwtKey } from './jwt-keys.ts';
import { followKeyFile } from './key-file.ts';
import { followPublishedKeys } from './published-keys.ts';
import { keyRing } from './token-keys.ts';
import type { TokenKeys } from './token-keys.ts';
import type { Log } from '../log.ts';

/** The places that keys come from. */
export interface KeyPlaces {
  /** The keys of this installation as they were read at the start. */
  readonly own: readonly JwtKey[];
  /** The file that they came from, which is read again when it changes. */
  readonly file: string | null;
  readonly url: string | null;
  readonly urlEverySeconds: number;
}

/** Keys that follow their places. `close` them. */
export interface FollowedKeys extends TokenKeys {
  close(): Promise<void>;
}

/**
 * Follows the keys of this installation, and those that a URL publishes. Resolves once the URL was asked for the first time, with
 * or without success.
 */
export async function followKeys(places: KeyPlaces, log: Log): Promise<FollowedKeys> {
  const watched = new Map<string, Set<() => void>>();
  let own = places.own;
  let published: readonly JwtKey[] | null = places.url === null ? [] : null;
  let current = keyRing(own, published !== null);

  const renew = (): void => {
    const before = current;
    current = keyRing([...own, ...(published ?? [])], published !== null);
    const come = [...current.ids].filter((id) => !before.ids.has(id)).length;
    const gone = [...before.ids].filter((id) => !current.ids.has(id));
    if (come + gone.length > 0) {
      const message = `keys of tokens: ${come} new, ${gone.length} removed, ${current.ids.size} in use`;
      log({ level: 'info', event: 'token-keys-changed', message });
    }
    for (const id of gone) {
      const ends = watched.get(id);
      watched.delete(id);
      for (const end of ends ?? []) end();
    }
  };
  const unreadable = (place: string) => (error: unknown) =>
    log({
      level: 'error',
      event: 'token-keys-unreadable',
      message: `${place} cannot be read, and its keys stay as they were: ${error instanceof Error ? error.message : String(error)}`,
    });

  const file =
    places.file === null
      ? null
      : followKeyFile(
          places.file,
          (keys) => {
            own = keys;
            renew();
          },
          unreadable(places.file),
        );
  const url =
    places.url === null
      ? null
      : followPublishedKeys({
          url: places.url,
          everyMs: places.urlEverySeconds * 1000,
          onKeys: (keys) => {
            published = keys;
            renew();
          },
          onSkipped: (reason) =>
            log({ level: 'warning', event: 'token-key-skipped', message: `${places.url}: ${reason}` }),
          onError: unreadable(places.url),
        });
  await url?.first;

  return {
    get current() {
      return current;
    },
    lookAgain: async () => url?.lookAgain(),
    watch: (keyId, onGone) => {
      const ends = watched.get(keyId) ?? new Set();
      watched.set(keyId, ends);
      // A wrapper, because two streams may have passed the same function.
      const end = (): void => onGone();
      ends.add(end);
      // The key may have gone between the token's verification and this.
      if (!current.ids.has(keyId)) queueMicrotask(end);
      return () => {
        ends.delete(end);
        if (ends.size === 0 && watched.get(keyId) === ends) watched.delete(keyId);
      };
    },
    close: async () => {
      await Promise.all([file?.stop(), url?.close()]);
    },
  };
}
