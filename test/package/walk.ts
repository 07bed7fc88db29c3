import { spawn } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CommandError, runCommand } from '../../src/programs/command.ts';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';
import type { CommandUser } from '../../src/programs/command.ts';

const help = `node test/package/walk.ts [options]

Packs this project and follows its user's way: npm install in an empty project, npx lightning start, a first row written and
read over REST and GraphQL, Ctrl-C; then npm install -g, and the same data again. Each step has a time limit.

  --node WHICH  system (the node of the PATH), own (the Node 24 among the dependencies), or both (default)
  --user WHICH  self, other (nobody, for root only), or both (default: both for root, self for anyone else)
  --help        this text

Exits with 1 when a step of a walk fails.
`;

/** The place of a walk, and its user. */
interface Walk {
  readonly name: string;
  /** The folder of the `node` that comes first on the PATH. */
  readonly nodeFolder: string;
  readonly user: CommandUser | undefined;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const installMs = 15 * 60_000;
const startMs = 3 * 60_000;

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { node: { type: 'string' }, user: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const other = await serverUser();
  const nodes = choose('--node', values.node ?? 'both', ['system', 'own']);
  const users = choose('--user', values.user ?? (other ? 'both' : 'self'), ['self', 'other']);
  if (users.includes('other') && !other) throw new Error('--user other takes root');

  const folder = await mkdtemp(join(await temporaryDirectory(other, true), 'lightning-package-'));
  await chmod(folder, 0o755);
  try {
    const archive = await pack(folder);
    // The folders are copied: an ordinary user may not be able to enter the originals.
    const nodeFolders = new Map<string, string>();
    for (const node of nodes) nodeFolders.set(node, await copyNode(node, join(folder, `node-${node}`)));
    let failed = 0;
    for (const node of nodes) {
      const nodeFolder = nodeFolders.get(node) ?? '';
      const version = (await runCommand(join(nodeFolder, 'node'), ['--version'])).trim();
      for (const who of users) {
        const user = who === 'other' ? other : undefined;
        const walk: Walk = { name: `${version} as ${who === 'other' ? 'nobody' : 'self'}`, nodeFolder, user };
        const place = join(folder, `${node}-${who}`);
        try {
          await walkThrough(walk, archive, place);
          say(`${walk.name}: done`);
        } catch (error) {
          failed += 1;
          say(`${walk.name}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
        } finally {
          await rm(place, { recursive: true, force: true });
        }
      }
    }
    return failed === 0 ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function walkThrough(walk: Walk, archive: string, place: string): Promise<void> {
  const project = join(place, 'project');
  await mkdir(project, { recursive: true });
  if (walk.user) for (const path of [place, project]) await chown(path, walk.user.uid, walk.user.gid);
  const env = await environment(walk, place);
  const run = (program: string, args: readonly string[], timeoutMs: number) =>
    runCommand('sh', ['-c', 'cd "$0" && exec "$@"', project, program, ...args], {
      env,
      user: walk.user,
      timeoutMs,
    });
  const step = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    const result = await work();
    say(`${walk.name}: ${what} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
    return result;
  };

  await step('npm install', async () => {
    await run('npm', ['init', '-y'], 60_000);
    await run('npm', ['install', archive], installMs);
  });
  await step('no dependency runs a script when it is installed', () => expectNoInstallScripts(project));
  await step('npx lightning --version', async () => {
    const version = (await run('npx', ['lightning', '--version'], startMs)).trim();
    if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`--version printed ${version}`);
  });
  await step('npx lightning start, a first row, Ctrl-C', () =>
    withServer(walk, env, project, ['npx', 'lightning', 'start'], async (server) => {
      await insertAgent(server);
      await expectAgent(server);
    }),
  );
  await step('npm install -g', () => run('npm', ['install', '--global', archive], installMs));
  await step('lightning start from anywhere, the row is there, Ctrl-C', () =>
    withServer(walk, env, project, ['lightning', 'start'], expectAgent),
  );
  if (walk.name.startsWith('v20.')) {
    await step('without a Node that is new enough it says what is missing', () =>
      expectRefusalOfOldNode(project, run),
    );
  }
}

/** A listening server, and a token for it. */
interface Listening {
  readonly url: string;
  readonly token: string;
}

async function withServer(
  walk: Walk,
  env: NodeJS.ProcessEnv,
  project: string,
  [program = '', ...args]: readonly string[],
  work: (server: Listening) => Promise<void>,
): Promise<void> {
  // A process group of its own, which receives SIGINT as a whole, as from Ctrl-C in a terminal.
  const child = spawn('sh', ['-c', 'cd "$0" && exec "$@"', project, program, ...args], {
    cwd: '/',
    env: { ...env, PORT: '0' },
    detached: true,
    ...walk.user,
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (data) => (output += String(data)));
  child.stderr.on('data', (data) => (errors += String(data)));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const signal = (name: NodeJS.Signals) => {
    if (child.pid === undefined || child.exitCode !== null) return;
    try {
      process.kill(-child.pid, name);
    } catch {
      // The group ended by itself; its status tells how.
    }
  };
  const bound = setTimeout(() => signal('SIGKILL'), startMs);
  try {
    const server = await Promise.race([
      listening(project, () => output),
      ended.then((status) => {
        throw new Error(`it ended with ${status} before it listened: ${output}${errors}`);
      }),
    ]);
    await work(server);
    signal('SIGINT');
    await ended;
    if (!errors.includes('"event":"stopped"')) throw new Error(`it did not stop in order: ${errors}`);
    const strange = errors.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
    if (strange.length > 0) throw new Error(`it wrote what is not its log: ${strange.join('; ')}`);
  } finally {
    clearTimeout(bound);
    signal('SIGKILL');
    await ended;
  }
}

async function listening(project: string, output: () => string): Promise<Listening> {
  for (;;) {
    const url = /^GraphQL\s+(\S+)\/graphql$/m.exec(output())?.[1];
    // Written before the address is printed.
    if (url) return { url, token: (await readFile(join(project, 'data', 'first-token'), 'utf8')).trim() };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function insertAgent(server: Listening): Promise<void> {
  const response = await request(server, '/rest/v1/agents', {
    id: 'writer',
    name: 'Writer',
    model: 'gpt-4o',
  });
  if (response.status !== 201) throw new Error(`an insert was answered with ${response.status}`);
}

async function expectAgent(server: Listening): Promise<void> {
  const read = await request(server, '/rest/v1/agents?select=id');
  const rows = await read.text();
  if (rows !== '[{"id":"writer"}]') throw new Error(`REST answered ${read.status} ${rows}`);
  const graphql = await request(server, '/graphql', { query: '{ agents { nodes { id } } }' });
  const text = await graphql.text();
  if (text !== '{"data":{"agents":{"nodes":[{"id":"writer"}]}}}') throw new Error(`GraphQL answered ${text}`);
  for (const page of ['/graphiql', '/rest/v1/', '/rest/v1/.reference/swagger-ui-bundle.js']) {
    const { status } = await fetch(`${server.url}${page}`, { headers: { accept: 'text/html' } });
    if (status !== 200) throw new Error(`the page ${page} was answered with ${status}`);
  }
}

function request({ url, token }: Listening, path: string, body?: object): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return fetch(`${url}${path}`, body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers });
}

/** Reads npm's own record of the installation, which also counts packages that npm would compile. */
async function expectNoInstallScripts(project: string): Promise<void> {
  const record = await readFile(join(project, 'node_modules', '.package-lock.json'), 'utf8');
  const { packages } = JSON.parse(record) as {
    readonly packages: Readonly<Record<string, { readonly hasInstallScript?: boolean }>>;
  };
  if (packages['node_modules/agent-lightning-db'] === undefined) throw new Error(`npm recorded ${record}`);
  const scripted = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript);
  if (scripted.length > 0) {
    throw new Error(
      `expected no install scripts, found those of ${scripted.map(([path]) => path).join(', ')}`,
    );
  }
}

/** On an older Node the package starts the Node that npm installed with it; this check removes that Node. */
async function expectRefusalOfOldNode(
  project: string,
  run: (program: string, args: readonly string[], timeoutMs: number) => Promise<string>,
): Promise<void> {
  const modules = join(project, 'node_modules');
  for (const name of await readdir(modules)) {
    if (/^node-(linux|win)-/.test(name)) await rm(join(modules, name), { recursive: true });
  }
  const refusal = await run('npx', ['lightning', '--version'], startMs).then(
    (printed) => `it printed ${printed}`,
    (error: unknown) => (error instanceof CommandError ? error.stderr : String(error)),
  );
  if (!refusal.includes('lightning needs Node 22.18 or newer')) throw new Error(refusal);
}

/**
 * The environment that the machine gives every process (its certificates, say), without what npm and this project's
 * tests add.
 */
async function environment(walk: Walk, place: string): Promise<NodeJS.ProcessEnv> {
  const settings = join(place, 'npmrc');
  const registry = (await runCommand('npm', ['config', 'get', 'registry'])).trim();
  await writeFile(settings, `registry=${registry}\nfund=false\naudit=false\nupdate-notifier=false\n`);
  const global = join(place, 'global');
  const machine = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|INIT_CWD$|PG|DB_|LIGHTNING_|GRAPHILE_|VITEST|JWT_SECRET$)|DATABASE_URL$/i.test(name),
  );
  return {
    ...Object.fromEntries(machine),
    PATH: [walk.nodeFolder, join(global, 'bin'), ...systemPath()].join(delimiter),
    HOME: place,
    npm_config_userconfig: settings,
    npm_config_prefix: global,
    npm_config_cache: walk.user
      ? join(place, 'cache')
      : (await runCommand('npm', ['config', 'get', 'cache'])).trim(),
  };
}

/** The PATH without the folders that npm puts in front of it for a project's scripts. */
function systemPath(): readonly string[] {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '' && !folder.includes(`${sep}node_modules`));
}

async function copyNode(which: string, folder: string): Promise<string> {
  const found =
    which === 'own'
      ? ownNode()
      : await runCommand('sh', ['-c', 'command -v node'], { env: { PATH: systemPath().join(delimiter) } });
  await mkdir(folder);
  await copyFile(found.trim(), join(folder, 'node'));
  await chmod(join(folder, 'node'), 0o755);
  return folder;
}

function ownNode(): string {
  const require = createRequire(import.meta.url);
  const name = `node-${process.platform}-${process.arch}`;
  return join(dirname(require.resolve(`${name}/package.json`)), 'bin', 'node');
}

async function pack(folder: string): Promise<string> {
  const archive = await runCommand('npm', ['pack', '--silent', '--pack-destination', folder, root], {
    timeoutMs: 5 * 60_000,
  });
  return join(folder, archive.trim().split('\n').at(-1) ?? '');
}

function choose(option: string, given: string, known: readonly string[]): readonly string[] {
  if (given === 'both') return known;
  if (known.includes(given)) return [given];
  throw new Error(`${option} is ${given}; it is one of ${known.join(', ')}, both`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
