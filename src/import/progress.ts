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

  constructor(stream: ProgressStream, now: () => number = Date.now) {
    this.#stream = stream;
    this.#now = now;
    this.#nextAt = now() + quietMs;
  }

  show({ done, total, file }: ImportProgress): void {
    const now = this.#now();
    if (now < this.#nextAt) return;
    if (!this.#stream.isTTY) {
      this.#stream.write(`${done} of ${total} items (${file})\n`);
      this.#nextAt = now + lineEveryMs;
      return;
    }
    if (!this.#bar) {
      this.#bar = new SingleBar({
        stream: this.#stream,
        format: '{bar} {value} of {total} items, {eta_formatted} left ({file})',
        clearOnComplete: true,
        hideCursor: true,
        // The load's statements matter more, so the bar is not redrawn more often than this.
        fps: 10,
      });
      this.#bar.start(total, done, { file });
    }
    this.#bar.update(done, { file });
  }

  /** Removes the bar. Must be called even after an error, because the bar keeps a timer. */
  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
