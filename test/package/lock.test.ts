import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

test('no dependency runs a script when npm installs it, in a checkout or beside the package', async () => {
  const lock = JSON.parse(await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly hasInstallScript?: boolean }>>;
  };
  const entries = Object.entries(lock.packages);
  expect(entries.length).toBeGreaterThan(100);
  expect(entries.filter(([, entry]) => entry.hasInstallScript).map(([name]) => name)).toEqual([]);
});

test('no installed package is the telemetry that Swagger UI depends on', async () => {
  const scarf = new URL('../../node_modules/@scarf/scarf/package.json', import.meta.url);
  const { scripts } = JSON.parse(await readFile(scarf, 'utf8')) as { readonly scripts?: unknown };
  expect(scripts).toBeUndefined();
});
