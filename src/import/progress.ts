import { SingleBar } from 'cli-progress';
import type { ImportProgress } from './import-folder.ts';

/** The stream for progress. A terminal gets a bar, other streams get lines. */
export type ProgressStream = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** An import that takes less time than this shows no progress. */
const quietMs = 2_000;
const lineEveryMs = 5_000;

/** Shows the progress of an import, once it has taken two seconds. */
export class ProgressDisplay {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  #bar: SingleBar | undefined;
  #nextAt: number;
  readonly #startedAt: number;
  /** How many items were done when the first was shown: those are not part of the rate. */
  #doneAtStart: number | undefined;

  constructor(stream: ProgressStream, now: () => number = Date.now) {
    this.#stream = stream;
    this.#now = now;
    this.#startedAt = now();
    this.#nextAt = this.#startedAt + quietMs;
  }

  show({ done, total, file }: ImportProgress): void {
    const now = this.#now();
    this.#doneAtStart ??= done;
    if (now < this.#nextAt) return;
    const pace = paceOf(done - this.#doneAtStart, total - done, now - this.#startedAt);
    if (!this.#stream.isTTY) {
      this.#stream.write(`${done} of ${total} items${pace} (${file})\n`);
      this.#nextAt = now + lineEveryMs;
      return;
    }
    if (!this.#bar) {
      this.#bar = new SingleBar({
        stream: this.#stream,
        format: '{bar} {value} of {total} items{pace} ({file})',
        clearOnComplete: true,
        hideCursor: true,
        // The load's statements matter more, so the bar is not redrawn more often than this.
        fps: 10,
      });
      this.#bar.start(total, done, { file, pace });
    }
    this.#bar.update(done, { file, pace });
  }

  /** Removes the bar. Must be called even after an error, because the bar keeps a timer. */
  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** The rate and the time left, as words that follow the counts; empty while nothing is done. */
function paceOf(done: number, left: number, ms: number): string {
  if (done <= 0 || ms <= 0) return '';
  const rate = done / (ms / 1_000);
  const seconds = Math.ceil(left / rate);
  const shown = rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
  return `, ${shown} a second, ${seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`} left`;
}
