import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { list, extract } from 'tar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../../src/programs/command.ts';
import { version } from '../../src/version.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { startLightning } from '../support/lightning.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const name = 'agent-lightning-db';
const swaggerUi = 'dist/rest/openapi/swagger-ui/';

/**
 * `walk.ts` beside this file installs the same archive with npm; here the archive is unpacked where npm would put it.
 */
describe('the package that npm packs', () => {
  let folder: string;
  let files: readonly string[];
  let installed: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lightning-packed-'));
    const printed = await runCommand('npm', ['pack', '--silent', '--pack-destination', folder, root], {
      timeoutMs: 90_000,
    });
    const archive = join(folder, printed.trim().split('\n').at(-1) ?? '');
    const found: string[] = [];
    await list({ file: archive, onReadEntry: (entry) => found.push(entry.path.replace(/^package\//, '')) });
    files = found;

    const modules = join(folder, 'project', 'node_modules');
    installed = join(modules, name);
    await mkdir(installed, { recursive: true });
    await extract({ file: archive, cwd: installed, strip: 1 });
    for (const dependency of await installedDependencies()) {
      await mkdir(dirname(join(modules, dependency)), { recursive: true });
      await symlink(join(root, 'node_modules', dependency), join(modules, dependency));
    }
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('holds the program and its documents, and neither sources nor tests', () => {
    const folders = new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]));
    expect([...folders].toSorted()).toEqual(['bin', 'dist', 'docs', 'migrations', 'sql']);
    expect(files.filter((file) => file.endsWith('.ts') || file.includes('test/'))).toEqual([]);
  });

  it('has a compiled file for every source, and every committed migration', async () => {
    const sources = await readdir(join(root, 'src'), { recursive: true });
    const compiled = sources
      .filter((file) => /(?<!\.d)\.ts$/.test(file))
      .map((file) => `dist/${file.slice(0, -3)}.js`);
    const built = files.filter((file) => file.startsWith('dist/') && !file.startsWith(swaggerUi));
    expect(built.toSorted()).toEqual(compiled.toSorted());
    const migrations = await readdir(join(root, 'migrations', 'committed'));
    expect(files.filter((file) => file.startsWith('migrations/')).toSorted()).toEqual(
      migrations.map((file) => `migrations/committed/${file}`).toSorted(),
    );
  });

  it('has Swagger UI with its licenses, and no map of it', () => {
    const names = files
      .filter((file) => file.startsWith(swaggerUi))
      .map((file) => file.slice(swaggerUi.length));
    expect(names.toSorted()).toEqual([
      'LICENSE',
      'NOTICE',
      'favicon-32x32.png',
      'swagger-ui-bundle.js',
      'swagger-ui-bundle.js.LICENSE.txt',
      'swagger-ui.css',
    ]);
  });

  it('prints its version below node_modules, where Node does not run TypeScript', async () => {
    const printed = await runCommand(process.execPath, [join(installed, 'bin', 'lightning'), '--version']);
    expect(printed).toBe(`${version}\n`);
  });

  it('starts below node_modules and answers', async () => {
    const directory = await migratedDataDirectory();
    const started = await startLightning(
      { DATA_DIR: directory },
      ['start'],
      join(installed, 'bin', 'lightning'),
    );
    try {
      const response = await fetch(`${started.url}/rest/v1/agents?select=id`, {
        headers: { authorization: `Bearer ${started.token}` },
      });
      expect([response.status, await response.text()]).toEqual([200, '[]']);
      for (const path of ['/graphiql', '/rest/v1/']) {
        const page = await (await fetch(started.url + path, { headers: { accept: 'text/html' } })).text();
        const loaded = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, url = '']) => url);
        expect(loaded.length, path).toBeGreaterThan(1);
        for (const url of loaded) {
          const file = await fetch(started.url + url);
          // Read to its end: an answer that nobody reads is in flight, and a server that is told to stop waits for it.
          expect([url, file.status, (await file.text()).length > 0]).toEqual([url, 200, true]);
        }
      }
    } finally {
      const { status, stderr } = await started.stop();
      expect(status, stderr).toBe(0);
      await rm(directory, { recursive: true, force: true });
    }
  }, 90_000);
});

/** The dependencies that npm installs beside the package, without those that only development needs. */
async function installedDependencies(): Promise<string[]> {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
  };
  return Object.entries(lock.packages).flatMap(([path, { dev }]) => {
    const [, dependency, nested] = path.split('node_modules/');
    return dependency !== undefined && nested === undefined && !dev ? [dependency] : [];
  });
}
