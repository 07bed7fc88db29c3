import { serverDatabase } from '../../support/server-database.ts';
import { authorizationOf } from './authorization.ts';
import { readChapters } from './chapters.ts';
import type { ConformanceCase } from './conformance-case.ts';
import { ConformanceServers } from './conformance-servers.ts';
import { differences } from './differences.ts';
import { sendRequest } from './send-request.ts';
import { siblingOf } from './sibling.ts';

/** The results of the cases. */
export interface CasesReport {
  readonly cases: number;
  readonly requests: number;
  /** The differences from the expected answers, a line for each case. */
  readonly wrong: readonly string[];
  /** The entries of the log. */
  readonly logged: readonly string[];
}

/**
 * Runs the chapters' cases one after the other on the database of a URL, in a process of its own: `node run-cases.ts
 * URL`.
 */
async function runCases(url: string): Promise<CasesReport> {
  const database = serverDatabase(url, { size: 4 });
  const servers = new ConformanceServers(database);
  const wrong: string[] = [];
  let requests = 0;
  const run = async (each: ConformanceCase): Promise<string[]> => {
    const at = await servers.url(each.options);
    const authorization = authorizationOf(each.caller, Date.now());
    const found: string[] = [];
    for (const exchange of each.exchanges) {
      const sibling = siblingOf(each, exchange);
      if (sibling) await sendRequest(at, servers.agent, sibling, authorization);
      found.push(
        ...differences(exchange.expected, await sendRequest(at, servers.agent, exchange, authorization)),
      );
      requests += sibling ? 2 : 1;
    }
    return found;
  };
  const chapters = readChapters();
  try {
    for (const { page, cases } of chapters) {
      for (const each of cases) {
        const found = await run(each);
        if (found.length > 0) wrong.push(`${page}.http:${each.line}: ${found.join('; ')}`);
      }
    }
  } finally {
    await servers.close();
    await database.close();
  }
  const cases = chapters.reduce((sum, chapter) => sum + chapter.cases.length, 0);
  return { cases, requests, wrong, logged: servers.logged.map(({ message }) => message) };
}

process.stdout.write(JSON.stringify(await runCases(process.argv[2] ?? '')));
