/** Receives progress one line at a time, without the newline. */
export type Say = (line: string) => void;

const quietMs = 2_000;
const againMs = 15_000;

/**
 * Does the work. If it takes longer than two seconds, prints what is being done, repeats that every 15 seconds, and
 * prints at the end how long it took.
 */
export async function withProgress<T>(say: Say, doing: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const seconds = () => Math.round((performance.now() - started) / 1000);
  let said = false;
  let timer = setTimeout(function speak() {
    say(said ? `${doing} ... ${seconds()} s` : `${doing} ...`);
    said = true;
    timer = setTimeout(speak, againMs);
  }, quietMs);
  try {
    const result = await work();
    if (said) say(`${doing}: done in ${seconds()} s`);
    return result;
  } finally {
    clearTimeout(timer);
  }
}
