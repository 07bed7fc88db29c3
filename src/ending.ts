import { isWithin } from './within.ts';

/** A part of a process that has to be ended. */
export interface Part {
  /** For the log, when it does not end. */
  readonly name: string;
  /** Ends it; what it cannot do within the time, in milliseconds, it gives up. */
  end(withinMs: number): Promise<void>;
}

/** Of the whole time, what is kept for the ground: a fifth, and not more than five seconds. */
const groundShare = 0.2;
const longestGroundMs = 5_000;

/** How long what is at work may take when all may take `withinMs`. */
export function workMs(withinMs: number): number {
  return withinMs - Math.min(withinMs * groundShare, longestGroundMs);
}

/**
 * Ends a process within one limit: what is `atWork` all at the same time, then the `ground` that it stands on, the last one first.
 * Gives back what did not end in time, or not in order, as sentences; nobody waits for it any more.
 */
export async function endAll(
  withinMs: number,
  atWork: readonly Part[],
  ground: readonly Part[],
): Promise<readonly string[]> {
  const began = performance.now();
  const unfinished: string[] = [];
  const end = async ({ name, end: work }: Part, byMs: number): Promise<void> => {
    const leftMs = Math.max(0, began + byMs - performance.now());
    try {
      if (!(await isWithin(leftMs, work(leftMs)))) unfinished.push(`${name} did not end in time`);
    } catch (error) {
      unfinished.push(`${name} ended with: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  await Promise.all(atWork.map((part) => end(part, workMs(withinMs))));
  for (const part of ground.toReversed()) await end(part, withinMs);
  return unfinished;
}
