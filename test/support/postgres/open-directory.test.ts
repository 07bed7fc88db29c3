import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeOpenDirectory } from './open-directory.ts';

test('other users can enter every new level under a closed umask, and the levels above stay as they are', async () => {
  const top = await mkdtemp(join(tmpdir(), 'agent-lightning-open-test-'));
  const before = process.umask(0o077);
  try {
    await makeOpenDirectory(join(top, 'usr', 'lib', 'postgresql'));
    await makeOpenDirectory(join(top, 'usr', 'share'));
    const mode = async (...path: string[]) => (await stat(join(top, ...path))).mode & 0o777;
    expect([await mode('usr'), await mode('usr', 'lib'), await mode('usr', 'lib', 'postgresql')]).toEqual([
      0o755, 0o755, 0o755,
    ]);
    expect(await mode('usr', 'share')).toBe(0o755);
    expect(await mode()).toBe(0o700);
    await chmod(join(top, 'usr'), 0o700);
    await makeOpenDirectory(join(top, 'usr', 'bin'));
    expect(await mode('usr')).toBe(0o700);
  } finally {
    process.umask(before);
    await rm(top, { recursive: true });
  }
});
