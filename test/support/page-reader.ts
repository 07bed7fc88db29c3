import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createClient } from 'graphql-ws';
import type { Client } from 'pg';
import type { DocBlock } from './doc-blocks.ts';
import type { PageShell } from './page-shell.ts';
import { asShown, lastJson, textAsShown } from './shown-answer.ts';

/** Languages whose blocks are run. */
const runnable = new Set(['sh', 'sql', 'graphql', 'js']);
/** Languages whose blocks show an answer. */
const answers = new Set(['json', 'text']);

/** Whether the reader runs this block; other tests run some. */
export function isRun({ language, mark }: DocBlock): boolean {
  return runnable.has(language) && mark === null;
}

/** Whether a block shows the answer to the one before it. */
export function isAnswer({ language, mark }: DocBlock): boolean {
  return answers.has(language) && (mark === null || mark.kind === 'in part');
}

/** The environment in which a page is read. */
export interface ReadingPlace {
  /** The API's address. */
  readonly url: string;
  /** A superuser's connection to its database. */
  readonly database: Client;
  /** The shell's directory, with the project's `node_modules`. */
  readonly directory: string;
}

/** Reads a page from top to bottom and does what it says. `close` it. */
export class PageReader {
  readonly #shell: PageShell;
  readonly #place: ReadingPlace;
  #answer = '';
  #ran = 0;
  /** Maps each id that the page shows to the id in the real answer. */
  readonly #names = new Map<string, string>();
  #ended: (() => Promise<void>) | null = null;
  /** The next event of an open subscription. */
  #heard: (() => Promise<string>) | null = null;

  constructor(shell: PageShell, place: ReadingPlace) {
    this.#shell = shell;
    this.#place = place;
  }

  /**
   * Runs a block, or compares the answer that it shows. Rejects when the block fails, with an AssertionError when the
   * answer differs.
   */
  async read(block: DocBlock): Promise<void> {
    if (isAnswer(block)) this.#compare(block, await this.#next());
    if (isRun(block)) {
      this.#refuseErrors();
      this.#answer = await this.#run(block);
      this.#ran += 1;
    }
  }

  /** An error is an answer where the page shows it; anywhere else it is a fault. */
  #refuseErrors(): void {
    if (/^\{"(?:data|errors)":.*"errors":|^\{"errors":/.test(this.#answer)) throw new Error(this.#answer);
  }

  /** Ends the reading of the page. Returns how many of its blocks ran. */
  end(): number {
    this.#refuseErrors();
    return this.#ran;
  }

  close(): void {
    void this.#ended?.();
    this.#shell.close();
  }

  /**
   * The answer for a block to show: that of the last block that ran, and after that the next event of an open
   * subscription.
   */
  async #next(): Promise<string> {
    if (this.#answer !== '') return this.#answer;
    return this.#heard === null ? '' : this.#heard();
  }

  #compare({ place, language, code, mark }: DocBlock, answer: string): void {
    const message = `${place} shows another answer than this: ${answer}`;
    if (language === 'json') {
      const shown: unknown = JSON.parse(code);
      const comparison = { inPart: mark !== null, names: this.#names };
      assert.deepStrictEqual(asShown(lastJson(answer), shown, comparison), shown, message);
    } else {
      assert.equal(textAsShown(answer, code), code.trimEnd(), message);
    }
    this.#answer = '';
  }

  async #run({ language, code: written, place }: DocBlock): Promise<string> {
    let code = written.replaceAll('http://127.0.0.1:3000', this.#place.url);
    for (const [shown, got] of this.#names) code = code.replaceAll(shown, got);
    try {
      switch (language) {
        case 'sh':
          return await this.#sh(code);
        case 'js':
          return await this.#js(code);
        case 'sql':
          return await this.#sql(code);
        default:
          return code.trimStart().startsWith('subscription')
            ? await this.#subscribe(code)
            : await this.#graphql(code);
      }
    } catch (error) {
      throw new Error(place, { cause: error });
    }
  }

  async #sh(lines: string): Promise<string> {
    const headers = await this.#headers();
    const printed = this.#shell.run(lines);
    if (/^curl -N/m.test(lines)) {
      // Write something while the stream is open; on a busy machine the stream may take a while to open.
      const until = Date.now() + 4_000;
      while (Date.now() < until && !this.#shell.printed().includes('event: ready')) await pause(50);
      await this.#enqueue('something', headers);
    }
    return printed;
  }

  /** Runs code in a file. When the first line names a file, only writes that file. */
  async #js(code: string): Promise<string> {
    const [, name] = /^\/\/ (\S+\.mjs)\n/.exec(code) ?? [];
    const token = await this.#shell.valueOf('TOKEN');
    if (name !== undefined) {
      await writeFile(join(this.#place.directory, name), code);
      return '';
    }
    const file = join(this.#place.directory, 'block.mjs');
    await writeFile(file, `const token = process.env.TOKEN;\n${code}`);
    const { stdout } = await promisify(execFile)(process.execPath, [file], {
      env: { TOKEN: token },
      timeout: 30_000,
    });
    return stdout;
  }

  /** Rolls everything back: tables and example tenants would otherwise remain for later pages. */
  async #sql(code: string): Promise<string> {
    await this.#place.database.query("begin; select ops.create_tenant('acme', 'Acme')");
    try {
      await this.#place.database.query(code);
      return '';
    } finally {
      await this.#place.database.query('rollback');
    }
  }

  async #graphql(query: string): Promise<string> {
    const response = await fetch(`${this.#place.url}/graphql`, {
      method: 'POST',
      headers: await this.#headers(),
      body: JSON.stringify({ query }),
    });
    return response.text();
  }

  async #subscribe(query: string): Promise<string> {
    const headers = await this.#headers();
    const connectionParams = headers;
    const client = createClient({
      url: `${this.#place.url.replace('http', 'ws')}/graphql`,
      connectionParams,
    });
    const events = client.iterate({ query });
    const probes: string[] = [];
    // The protocol does not say when a subscription has begun: it has when it receives an event.
    let first = events.next();
    for (;;) {
      probes.push(await this.#enqueue('a probe', headers));
      if (await Promise.race([first.then(() => true), pause(200, false)])) break;
    }
    this.#ended = async () => {
      await client.dispose();
    };
    this.#heard = async () => {
      for (;;) {
        const { value } = (await first) as { value: unknown };
        first = events.next();
        const text = JSON.stringify(value);
        if (!probes.some((id) => text.includes(id))) return text;
      }
    };
    return '';
  }

  async #enqueue(description: string, headers: Record<string, string>): Promise<string> {
    const response = await fetch(`${this.#place.url}/rest/v1/rpc/enqueue_task`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ description, priority: 'low' }),
    });
    return ((await response.json()) as { id: string }).id;
  }

  async #headers() {
    const token = await this.#shell.valueOf('TOKEN');
    return { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  }
}
