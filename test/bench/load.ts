import autocannon from 'autocannon';
import type { Request } from 'autocannon';
import type { Question } from './scenarios.ts';

/** Connections that ask at once, each with one question at a time. */
export const connections = 20;

/** What one run of the load generator saw. */
export interface LoadResult {
  readonly requestsPerSecond: number;
  /** Milliseconds of each answer, in no order. */
  readonly latencies: readonly number[];
  readonly answers: number;
  /** Answers that are not 2xx, that hold something else than what was asked for, and requests without an answer. */
  readonly errors: number;
  /** The first answer that was wrong, for a person. */
  readonly firstWrong: string | null;
}

/**
 * Asks for so many seconds over kept-alive connections. Each connection goes round its own questions, so no two of them
 * ask for the same rows in step; every answer is looked at. The questions in flight at the end are given up and not counted.
 */
export function putLoad(
  url: string,
  seconds: number,
  questionsOf: (connection: number) => readonly Question[],
): Promise<LoadResult> {
  const latencies: number[] = [];
  let wrong = 0;
  let firstWrong: string | null = null;
  let connection = 0;
  const requestOf = ({ request, isAnswer }: Question): Request => ({
    ...request,
    onResponse: (status, body) => {
      const is2xx = status >= 200 && status < 300;
      if (is2xx && isAnswer(body)) return;
      // Counted here only when it looks like an answer: others are autocannon's `non2xx`.
      if (is2xx) wrong += 1;
      firstWrong ??= `${status} ${body.slice(0, 500)}`;
    },
  });
  return new Promise((resolve, reject) => {
    const instance = autocannon(
      {
        url,
        connections,
        duration: seconds,
        sampleInt: 50,
        timeout: 10,
        setupClient: (client) => client.setRequests(questionsOf(connection++).map(requestOf)),
      },
      (error, result) => {
        if (error) return reject(error);
        resolve({
          requestsPerSecond: result['2xx'] / result.duration,
          latencies,
          answers: result['2xx'],
          errors: result.errors + result.non2xx + wrong,
          firstWrong,
        });
      },
    );
    instance.on('response', (_client, _status, _bytes, milliseconds) => void latencies.push(milliseconds));
  });
}
