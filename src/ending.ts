import { isWithin } from './within.ts';

/** A part of a process that has to be ended. */
export interface Part {
  /** Name for the log, in case the part does not end. */
  readonly name: string;
  /** Ends the part, and gives up what cannot be done within that many milliseconds. */
  end(withinMs: number): Promise<void>;
}

/** Share of the whole time that is reserved for the ground: a fifth, but at most five seconds. */
const groundShare = 0.2;
const longestGroundMs = 5_000;

/** Time for the parts at work when all parts together have `withinMs`. */
export function workMs(withinMs: number): number {
  return withinMs - Math.min(withinMs * groundShare, longestGroundMs);
}

/**
 * Ends a process within one limit: first the parts `atWork`, all at the same time, then the `ground` that they
 * stand on, the last part first. Returns a sentence for each part that did not end in time or without an error.
 * Such a part is not waited for any longer.
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
