import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { debianTools, missingToolsNotice } from './debian-tools.ts';

test('.ci/run installs every tool that tests need, so that nothing is skipped there', async () => {
  const script = await readFile(new URL('../../.ci/run', import.meta.url), 'utf8');
  const [, list = ''] = /packages=\(\n(.*?)\n {2}\)/s.exec(script) ?? [];
  const installed = list.split('\n').map((line) => line.trim());
  expect(installed).toEqual(expect.arrayContaining(debianTools.map(({ name }) => name)));
});

test('a run that lacks a tool says what stays untested, and how to install the tool', () => {
  expect(missingToolsNotice([])).toBeNull();
  expect(missingToolsNotice(['python3-swift'])).toMatch(
    /SKIPPED.*object storage.*apt-get install --no-install-recommends python3-swift/s,
  );
});
