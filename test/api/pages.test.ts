import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { launchChromium, openWatched } from '../support/chromium.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lacks } from '../support/lacks.ts';
import { startLightning } from '../support/lightning.ts';
import type { Started } from '../support/lightning.ts';
import { startRestProcess } from '../support/rest-process.ts';
import type { RestProcess } from '../support/rest-process.ts';

/** Addresses where the server answers a browser with a page. */
const pages = ['/', '/graphiql', '/rest/v1/'];

describe.skipIf(lacks('chromium') || process.platform === 'win32').each(['production', 'development'])(
  'a page in Chromium, served in mode %s:',
  { timeout: 60_000 },
  (mode) => {
    let browser: Browser;
    let directory: string;
    let started: Started;
    let rest: RestProcess;
    let restUrl: string;

    const insertAgent = async (id: string): Promise<void> => {
      const { status } = await fetch(`${started.url}/rest/v1/agents`, {
        method: 'POST',
        headers: { authorization: `Bearer ${started.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ id, name: 'n', model: 'm' }),
      });
      expect(status).toBe(201);
    };

    beforeAll(async () => {
      // Production shows its pages to nobody without a token, unless it is asked to.
      const modes = { NODE_ENV: mode, GRAPHILE_ENV: mode, ANONYMOUS_INTROSPECTION: 'true' };
      [browser, directory] = await Promise.all([launchChromium(), migratedDataDirectory()]);
      started = await startLightning({ DATA_DIR: directory, ...modes });
      await insertAgent('seen-in-chromium');
      rest = startRestProcess({
        PGRST_DB_URI: `postgres://postgres@/postgres?host=${encodeURIComponent(directory)}`,
        PGRST_DB_SCHEMAS: 'app_public',
        PGRST_DB_ANON_ROLE: 'postgres',
        PGRST_SERVER_HOST: '127.0.0.1',
        PGRST_SERVER_PORT: '0',
        ...modes,
      });
      restUrl = `http://${(await rest.next('api-listening')).address?.replace(/^http:\/\//, '')}`;
    });
    afterAll(async () => {
      await browser?.close();
      await rest?.ended('SIGTERM');
      await started?.stop();
      if (directory) await rm(directory, { recursive: true, force: true });
    });

    test('GraphiQL, to which the root leads, runs a query and a subscription with the token of its headers', async () => {
      const { page, complaints, requested } = await openWatched(browser, `${started.url}/`);
      expect(new URL(page.url()).pathname).toBe('/graphiql');
      // It says where a token is to be had, and where it goes is open.
      await page.getByText('embedded database) and by lightning token.').waitFor();
      await write(page, 'request-headers.json', JSON.stringify({ authorization: `Bearer ${started.token}` }));
      const shown = page.locator('.result-window');
      await write(page, 'operation.graphql', 'query Agents { agents { nodes { id } } }');
      await runNamed(page, 'Agents');
      await expect.poll(() => shown.textContent()).toContain('"seen-in-chromium"');
      await write(page, 'operation.graphql', 'subscription Watch { agentChanged(id: null) { agentId } }');
      await runNamed(page, 'Watch');
      await expect
        .poll(async () => {
          await insertAgent(`heard-in-${randomUUID()}`);
          return shown.textContent();
        })
        .toContain('"heard-in-');
      // The tab keeps the token over a reload, and the browser does not.
      expect(complaints).toEqual([]);
      await page.reload();
      await page.locator('.monaco-editor[data-uri$="operation.graphql"]').click();
      await runNamed(page, 'Watch');
      await expect
        .poll(async () => {
          await insertAgent(`again-in-${randomUUID()}`);
          return shown.textContent();
        })
        .toContain('"again-in-');
      const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
      expect(kept).toContain('Watch');
      expect(kept).not.toContain(started.token);
      // A reload ends the workers of the editors, even one whose script is still arriving.
      expect(complaints.filter((complaint) => !complaint.includes('Worker.js net::ERR_ABORTED'))).toEqual([]);
      expect(requested).not.toContain('/favicon.ico');
    });

    describe('the reference of REST', () => {
      test('lists what the token may do, and tries it out', async () => {
        const { page, complaints, requested } = await openWatched(browser, `${started.url}/rest/v1/`);
        await page.getByText('No operations defined in spec!').waitFor();
        await page.getByRole('button', { name: 'Authorize' }).click();
        const form = page.locator('.modal-ux');
        await form.getByRole('textbox').fill(started.token);
        await form.getByRole('button', { name: 'Apply credentials' }).click();
        await form.getByRole('button', { name: 'Close', exact: true }).click();
        expect(await tryGet(page, '/agents')).toContain('seen-in-chromium');
        // The page keeps the token, and with it the list; the address names the open operation.
        await page.reload();
        await page.locator('.opblock-get [data-path="/agents"]').waitFor();
        expect(await page.evaluate(() => JSON.stringify({ ...localStorage }))).not.toContain(started.token);
        expect(complaints).toEqual([]);
        expect(requested).not.toContain('/favicon.ico');
      });

      test('is served by lightning rest too', async () => {
        const { page, complaints, requested } = await openWatched(browser, `${restUrl}/`);
        expect(await tryGet(page, '/agents')).toContain('seen-in-chromium');
        expect(complaints).toEqual([]);
        expect(requested).not.toContain('/favicon.ico');
      });
    });

    test('no other door answers with a page', async () => {
      const table = await readFile(new URL('../../docs/doors.md', import.meta.url), 'utf8');
      const doors = [...table.matchAll(/^\| [^|]+\| `(\/[^`]*)`/gm)].map(([, path = '']) => path);
      expect(doors.length).toBeGreaterThan(8);
      const answers = await Promise.all(
        [...new Set([...pages, ...doors, '/rest/v1/agents'])].map(async (path) => {
          const response = await fetch(`${started.url}${path}`, {
            headers: { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' },
          });
          await response.body?.cancel();
          return response.headers.get('content-type')?.startsWith('text/html') ? [path] : [];
        }),
      );
      expect(answers.flat().toSorted()).toEqual([...pages, '/rest/v1'].toSorted());
    });
  },
);

/** Replaces the text of one of GraphiQL's editors, as a person does. */
async function write(page: Page, file: string, text: string): Promise<void> {
  await page.locator(`.monaco-editor[data-uri$="${file}"]`).click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(text);
}

/** Runs the operation in the editor. GraphiQL has parsed it once the tab bears its name. */
async function runNamed(page: Page, name: string): Promise<void> {
  await page.getByRole('tab', { name }).waitFor();
  await page.keyboard.press('Control+Enter');
}

/** Reads a table with Swagger UI, and returns the answer as shown. */
async function tryGet(page: Page, path: string): Promise<string> {
  await page.locator(`[data-tag="${path.slice(1)}"]`).click();
  const operation = page.locator('.opblock-get').filter({ has: page.locator(`[data-path="${path}"]`) });
  await operation.locator('.opblock-summary-control').click();
  await operation.getByRole('button', { name: 'Try it out' }).click();
  await operation.getByRole('button', { name: 'Execute' }).click();
  const answer = operation.locator('.live-responses-table tbody .response');
  await expect.poll(() => answer.locator('.response-col_status').textContent()).toContain('200');
  return (await answer.textContent()) ?? '';
}
