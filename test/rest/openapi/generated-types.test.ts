import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CommandError, runCommand } from '../../../src/programs/command.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { startApp, testToken } from '../../support/app.ts';
import type { RunningApp } from '../../support/app.ts';

const modules = fileURLToPath(new URL('../../../node_modules/', import.meta.url));

/** openapi-typescript needs the API of TypeScript 5, which the project's own TypeScript no longer has. */
const withTypeScript5 = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({
    resolve: (name, context, next) => next(name === 'typescript' ? 'typescript-5' : name, context),
  });`)}`;

/** What a client of ours may write down, and what it may not. */
const program = `
import type { components, operations, paths } from './api.ts';

type Task = components['schemas']['tasks.insert'];
export const least: Task = { description: 'read' };
export const most: Task = { ...least, id: 'x', agent_id: null, priority: 'high', context: { from: ['a', 1, null] } };
export const body: paths['/tasks']['post']['requestBody']['content']['application/json'] = [least, most];
export const agent: components['schemas']['agents.insert'] = { id: 'a', name: 'A', model: 'm' };
export const change: components['schemas']['tasks.update'] = { priority: 'low' };
// @ts-expect-error -- there is no default for the description
export const none: Task = {};
// @ts-expect-error -- only null stands for nothing, and only where a column may be null
export const empty: Task = { description: null };

type Rows = operations['read_tasks']['responses'][200]['content']['application/json'];
export const ids = (rows: Rows): string[] => rows.map(({ id }) => id.trim());
export const from = (rows: Rows): unknown => {
  const context = rows[0]?.context;
  return typeof context === 'object' && context !== null && !Array.isArray(context) ? context['from'] : undefined;
};
export const why = (refused: operations['insert_tasks']['responses'][409]): string =>
  refused.content['application/json'].message;

type Claim = operations['call_claim_task']['requestBody'];
export const claim: NonNullable<Claim>['content']['application/json'] = { agent: 'reader' };
`;

/** The strictest options, as a client's project may have them. */
const tsconfig = {
  compilerOptions: {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noPropertyAccessFromIndexSignature: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    module: 'nodenext',
    target: 'es2024',
    types: [],
  },
  files: ['program.ts'],
};

describe('types made from the OpenAPI document by openapi-typescript', () => {
  let target: ApiTarget;
  let app: RunningApp;
  let directory: string;

  beforeAll(async () => {
    const [, open] = apiTargets[0]!;
    target = await open();
    app = await startApp(target.database);
    directory = await mkdtemp(path.join(tmpdir(), 'lightning-types-'));
  }, 60_000);
  afterAll(async () => {
    await app?.close();
    await target?.close();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  test('let a client leave out every column that has a default', { timeout: 120_000 }, async () => {
    const response = await fetch(`${app.url}/rest/v1/`, {
      headers: { authorization: `Bearer ${await testToken('admin')}` },
    });
    await writeFile(path.join(directory, 'document.json'), await response.text());
    await writeFile(path.join(directory, 'program.ts'), program);
    await writeFile(path.join(directory, 'package.json'), '{ "type": "module" }');
    await writeFile(path.join(directory, 'tsconfig.json'), JSON.stringify(tsconfig));
    const generator = path.join(modules, 'openapi-typescript', 'bin', 'cli.js');
    await runCommand(
      process.execPath,
      [
        '--import',
        withTypeScript5,
        generator,
        path.join(directory, 'document.json'),
        '--output',
        path.join(directory, 'api.ts'),
      ],
      { timeoutMs: 60_000 },
    );
    expect(await compiled(directory)).toBe('');
  });
});

/** The complaints of the compiler; empty: there are none. */
async function compiled(directory: string): Promise<string> {
  try {
    return await runCommand(
      process.execPath,
      [path.join(modules, 'typescript', 'bin', 'tsc'), '-p', directory],
      {
        timeoutMs: 60_000,
      },
    );
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
}
