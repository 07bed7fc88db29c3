import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runCommand } from '../../src/programs/command.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Component {
  readonly name: string;
  readonly version: string;
  readonly licenses?: readonly unknown[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

test('the bill of materials has every package that is installed beside this one, with version, licence and digest', async () => {
  const printed = await runCommand('npm', ['--prefix', root, 'run', '--silent', 'sbom']);
  const { bomFormat, components } = JSON.parse(printed) as {
    readonly bomFormat: string;
    readonly components: readonly Component[];
  };
  expect(bomFormat).toBe('CycloneDX');
  const lock = JSON.parse(await readFile(`${root}package-lock.json`, 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version?: string; readonly dev?: boolean }>>;
  };
  const installed = Object.entries(lock.packages)
    .filter(([path, { dev, version }]) => path !== '' && !dev && version !== undefined)
    .map(([path, { version }]) => `${path.split('node_modules/').at(-1)} ${version}`);
  expect(installed.length).toBeGreaterThan(100);
  // The build copies it into the package.
  const reference = lock.packages['node_modules/swagger-ui-dist'];
  installed.push(`swagger-ui-dist ${reference?.version}`);
  const listed = components.map(({ name, version }) => `${name} ${version}`);
  expect([...new Set(listed)].toSorted()).toEqual([...new Set(installed)].toSorted());
  expect(components.filter(({ licenses = [] }) => licenses.length === 0)).toEqual([]);
  expect(components.filter(({ hashes = [] }) => hashes.length === 0)).toEqual([]);
}, 60_000);
