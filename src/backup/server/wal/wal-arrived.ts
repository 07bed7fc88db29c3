import { setTimeout as sleep } from 'node:timers/promises';
import type { Vault } from '../../vault.ts';
import { hasSegment } from './wal-archive.ts';

/** Bounds of a wait for WAL, in milliseconds. */
export interface WalWait {
  readonly timeoutMs: number;
  /** Aborted: the wait rejects with an AbortError. */
  readonly signal?: AbortSignal;
  /** Called before each pause. */
  readonly onPause?: () => void;
}

const firstPauseMs = 200;
const longestPauseMs = 5_000;

/**
 * Waits until the vault has the whole segment of this name. Each look asks for that name alone, however much WAL the
 * archive holds, and the pauses between looks grow. Returns false when it has not arrived in time.
 */
export async function walArrived(
  vault: Vault,
  systemIdentifier: string,
  file: string,
  { timeoutMs, signal, onPause }: WalWait,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
    if (await hasSegment(vault, systemIdentifier, file)) return true;
    const left = deadline - performance.now();
    if (left <= 0) return false;
    onPause?.();
    await sleep(Math.min(pauseMs, left), undefined, { signal });
  }
}
