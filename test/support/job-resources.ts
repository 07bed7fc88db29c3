import type { Executor } from '../../src/db/database.ts';
import type { JobResources } from '../../src/jobs/job-resources.ts';

/** Resources of jobs on a server that has only those endpoints, stores and webhooks that the test names. */
export function jobResources(executor: Executor, over: Partial<JobResources> = {}): JobResources {
  return {
    executor,
    kind: 'server',
    embed: null,
    alertWebhook: null,
    anchors: { file: null, webhook: null },
    backups: null,
    log: () => {},
    now: () => new Date(),
    ...over,
  };
}
