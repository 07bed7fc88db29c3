import type { TestProject } from 'vitest/node';
import { compileCache } from './support/compile-cache.ts';
import { keepFilesInMemory } from './support/files-in-memory.ts';
import { findMissingTools, missingToolsNotice } from './support/debian-tools.ts';
import { embeddedTemplate } from './support/embedded-template.ts';
import { provideServer } from './support/postgres/provide.ts';
import { skippedNotice } from './support/postgres/skipped-notice.ts';
import { makeTemplate } from './support/template.ts';

/**
 * Provides the databases that test files copy. Starts the run's only server, or says what is skipped without it
 * (`TotalsReporter` repeats that at the end). Throws when `TEST_DATABASE_URL` names an unusable server.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const removeFiles = keepFilesInMemory(process.env);
  process.env['NODE_COMPILE_CACHE'] ??= compileCache;
  const [template, stopServer, missingTools] = await Promise.all([
    embeddedTemplate(),
    startServer(project),
    findMissingTools(),
  ]);
  project.provide('embeddedTemplate', template);
  project.provide('missingTools', missingTools);
  const notice = missingToolsNotice(missingTools);
  if (notice !== null) console.log(notice);
  return async () => {
    await stopServer();
    removeFiles();
  };
}

async function startServer(project: TestProject): Promise<() => Promise<void>> {
  const server = await provideServer();
  if (server.kind === 'unavailable') {
    console.log(skippedNotice(server.reason));
    project.provide('server', server);
    return async () => {};
  }
  const { stop, ...description } = server;
  console.log(
    `Tests run on Postgres ${server.version}${server.binDirectory ? ` (${server.binDirectory})` : ''}`,
  );
  project.provide('server', { ...description, template: await makeTemplate(server.adminUrl) });
  return stop;
}
