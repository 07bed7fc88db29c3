import { describe, expect, inject, test } from 'vitest';
import { commandLines } from '../support/command-lines.ts';
import { readyServer } from '../support/server.ts';
import { followRecoveryPage } from './recovery-page.ts';

const server = inject('server');
const noPrograms = server.kind === 'unavailable' || !server.binDirectory || process.platform === 'win32';

// follow-recovery-page.ts does the same with other servers and stores, and takes some minutes.
describe.skipIf(noPrograms)('docs/recovery.md', () => {
  test('followed to the letter for a server of docker-compose.yml, brings back every acknowledged row, and the moment before a mistake', async () => {
    const { acknowledged, mistaken, restored } = await followRecoveryPage({
      binDirectory: readyServer().binDirectory!,
      commandLine: await commandLines['docker-compose.yml'](),
      store: (folder) => ({ BACKUP_STORE: `${folder}/store` }),
      say: () => {},
    });
    expect(acknowledged).toBeGreaterThan(20);
    expect(mistaken).toBeGreaterThan(0);
    expect(restored).toMatch(/has the limits that replay needs: max_connections=200, /);
    expect(restored).toMatch(/on the command line of the lost server stood, .*summarize_wal=on/);
  }, 600_000);
});
