import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath } from './debian-tools.ts';

/**
 * Starts Debian's Chromium with a directory of its own. It contacts only the servers of the pages that it opens.
 * `close` it.
 */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A page, and everything that went wrong in it so far. */
export interface WatchedPage {
  readonly page: Page;
  /**
   * Errors and warnings of the console, uncaught exceptions, and requests that failed, were refused or went to another
   * origin, including those of the page's workers.
   */
  readonly complaints: readonly string[];
  /** Paths of this origin that were requested, in order. */
  readonly requested: readonly string[];
}

/**
 * Opens a page in a context of its own, which shares no cache, cookies or storage with others. Closing the browser
 * closes the page.
 */
export async function openWatched(browser: Browser, url: string): Promise<WatchedPage> {
  const { origin } = new URL(url);
  const complaints: string[] = [];
  const requested: string[] = [];
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) {
      complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`);
    }
  });
  page.on('pageerror', (error) => complaints.push(`exception: ${String(error)}`));
  const see = (asked: string): void => {
    const { protocol, host, origin: its, pathname } = new URL(asked);
    if (['data:', 'blob:'].includes(protocol)) return;
    if (its === origin || `http://${host}` === origin) requested.push(pathname);
    else complaints.push(`another origin: ${asked}`);
  };
  context.on('request', (request) => see(request.url()));
  page.on('websocket', (socket) => see(socket.url()));
  context.on('requestfailed', (request) =>
    complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`),
  );
  context.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`refused: ${response.url()} ${response.status()}`);
  });
  // Playwright does not report Chromium's own request for an icon.
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  session.on('Network.requestWillBeSent', ({ request }) => {
    if (request.url.endsWith('/favicon.ico')) see(request.url);
  });
  await page.goto(url, { waitUntil: 'load', timeout: 60_000 });
  return { page, complaints, requested };
}
