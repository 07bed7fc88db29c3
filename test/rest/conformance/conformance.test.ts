import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emptyDataDirectory } from '../../support/embedded-template.ts';
import { noServer } from '../../support/server.ts';
import { authorizationOf } from './authorization.ts';
import { readChapters, referencePages, summaryOf } from './chapters.ts';
import { ConformanceServers } from './conformance-servers.ts';
import type { Exchange } from './conformance-case.ts';
import { differences } from './differences.ts';
import { embeddedConformanceDatabase } from './embedded-database.ts';
import type { ConformanceDatabase } from './load-schema.ts';
import { sendRequest } from './send-request.ts';
import { serverConformanceDatabase } from './server-database.ts';
import { siblingOf } from './sibling.ts';

const chapters = readChapters();
console.log(summaryOf(chapters));

describe('the chapters', () => {
  test('are several hundred cases, and the chapters without any are known', () => {
    const without = chapters.filter(({ cases }) => cases.length === 0).map(({ page }) => page);
    expect(without).toEqual(withoutCases.map(({ page }) => page));
    expect(chapters).toHaveLength(referencePages.length);
    expect(chapters.reduce((sum, { cases }) => sum + cases.length, 0)).toBeGreaterThan(400);
  });

  test.each(chapters.filter(({ cases }) => cases.length > 0))('$page has no case twice', ({ cases }) => {
    const names = cases.map(({ section, name }) => `${section}: ${name}`);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});

/** Pages that are not about requests and answers, and the tests that cover them. */
const withoutCases = [
  { page: 'admin_server', testedIn: 'test/commands' },
  { page: 'cli', testedIn: 'test/commands' },
  { page: 'connection_pool', testedIn: 'test/db' },
  { page: 'http_server', testedIn: 'test/http' },
  { page: 'listener', testedIn: 'test/schema-cache' },
  { page: 'schema_cache', testedIn: 'test/schema-cache' },
];

describeConformance('the embedded database', async () =>
  embeddedConformanceDatabase(await emptyDataDirectory()),
);
describe.skipIf(noServer)('with a server', () => {
  describeConformance('a server', serverConformanceDatabase);
});

function describeConformance(on: string, open: () => Promise<ConformanceDatabase>): void {
  describe(`REST on ${on}`, () => {
    let target: ConformanceDatabase;
    let servers: ConformanceServers;
    beforeAll(async () => {
      target = await open();
      servers = new ConformanceServers(target.database);
    }, 120_000);
    afterAll(async () => {
      await servers?.close();
      await target?.close();
    });

    for (const { page, cases } of chapters) {
      if (cases.length === 0) continue;
      describe(`${page}`, () => {
        for (const conformanceCase of cases) {
          const { section, name, line, options, caller, exchanges } = conformanceCase;
          test(`${section}: ${name}`, async () => {
            const url = await servers.url(options);
            const send = (exchange: Exchange) =>
              sendRequest(url, servers.agent, exchange, authorizationOf(caller, Date.now()));
            for (const exchange of exchanges) {
              // Plans are remembered for requests that differ only in values, so a sibling is sent first.
              const sibling = siblingOf(conformanceCase, exchange);
              if (sibling) await send(sibling);
              const found = differences(exchange.expected, await send(exchange));
              expect(found, `chapters/${page}.http:${line}: ${exchange.method} ${exchange.target}`).toEqual(
                [],
              );
            }
          });
        }
      });
    }

    test('reads get the same answers sixteen at a time, in another order', { timeout: 120_000 }, async () => {
      const reads = chapters
        .flatMap(({ page, cases }) => cases.map((each) => ({ page, ...each })))
        .filter(({ exchanges }) => exchanges.every(({ method }) => /^(?:GET|HEAD|OPTIONS)$/.test(method)))
        .toSorted((a, b) => a.name.localeCompare(b.name));
      const found: string[] = [];
      const work = async () => {
        for (let next = reads.pop(); next; next = reads.pop()) {
          const { page, line, options, caller, exchanges } = next;
          const url = await servers.url(options);
          const authorization = authorizationOf(caller, Date.now());
          for (const exchange of exchanges) {
            const answer = await sendRequest(url, servers.agent, exchange, authorization);
            const wrong = differences(exchange.expected, answer);
            if (wrong.length > 0) found.push(`chapters/${page}.http:${line}: ${wrong.join('; ')}`);
          }
        }
      };
      await Promise.all(Array.from({ length: 16 }, work));
      expect(found).toEqual([]);
    });

    test('the log has no error of ours', () => {
      expect(servers.logged).toEqual([]);
    });
  });
}
