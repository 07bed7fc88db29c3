import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { rolldown } from 'rolldown';
import { launchChromium } from '../../support/chromium.ts';

/** A browser, and pages whose origin differs from the API's. `close` it. */
export interface Pages {
  readonly browser: Browser;
  /** The page with the clients, at two origins of one server. */
  readonly origins: readonly [string, string];
  open(url: string): Promise<Page>;
  close(): Promise<void>;
}

/** Bundles and serves page.ts, and starts Debian's Chromium with a directory of its own. */
export async function openPages(): Promise<Pages> {
  const [script, browser] = await Promise.all([bundle(), launchChromium()]);
  const server = createServer((request, response) => {
    if (request.url === '/page.js')
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
    else if (request.url === '/') {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end(
        '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
      );
    } else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    browser,
    origins: [`http://127.0.0.1:${port}`, `http://localhost:${port}`],
    open: async (url) => {
      const page = await browser.newPage();
      await page.goto(url, { waitUntil: 'load', timeout: 60_000 });
      return page;
    },
    close: async () => {
      await browser.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

async function bundle(): Promise<string> {
  const made = await rolldown({
    input: fileURLToPath(new URL('page.ts', import.meta.url)),
    platform: 'browser',
    transform: { define: { 'process.env.NODE_ENV': '"production"' } },
    logLevel: 'silent',
  });
  const { output } = await made.generate({ format: 'esm', codeSplitting: false });
  await made.close();
  return output[0].code;
}
