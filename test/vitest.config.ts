import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    // Processes, not threads: tests kill servers and handle signals, which one process cannot do to itself.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    // Polling ends in success or not at all; a busy machine takes longer than the default of one second.
    expect: { poll: { timeout: 10_000 } },
    // A busy machine is slow to create an embedded database.
    hookTimeout: 90_000,
    teardownTimeout: 30_000,
  },
});
