import autocannon from 'autocannon';
import type { Request } from 'autocannon';
import type { Question } from './scenarios.ts';

/** The number of connections, each with one request in flight. */
export const connections = 20;

/** The result of one run of the load generator. */
export interface LoadResult {
  readonly requestsPerSecond: number;
  /** Milliseconds of each answer, in arbitrary order. */
  readonly latencies: readonly number[];
  readonly answers: number;
  /** The number of answers that are not 2xx or do not hold what was asked for, and of requests without an answer. */
  readonly errors: number;
  /** The first wrong answer, for people to read. */
  readonly firstWrong: string | null;
}

/**
 * Sends requests for that many seconds over kept-alive connections. Each connection cycles through its own questions,
 * so no two of them ask for the same rows in step, and every answer is checked. Requests in flight at the end are
 * dropped and not counted.
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
      // A wrong answer is counted here only when it is 2xx: autocannon counts the others as `non2xx`.
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
