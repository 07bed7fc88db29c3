import type { GrafastSubscriber } from 'postgraphile/grafast';
import type { Claims } from '../auth/claims.ts';
import { databaseErrorToAppError } from '../db/errors.ts';
import { AppError } from '../errors.ts';
import type { Change } from '../live/change.ts';
import type { LiveChanges } from '../live/live-changes.ts';
import { isTopic } from '../live/topic.ts';
import { ChangeQueue } from './change-queue.ts';
import type { ChangeEvent } from './change-queue.ts';

/** The source of GraphQL subscriptions. Topics are `<topic>` for all rows and `<topic>/<id>` for one. */
export type ChangeSubscriber = GrafastSubscriber<Record<string, ChangeEvent>>;

/** The subscriber that grafast uses for this caller. It refuses anonymous callers with AUTHENTICATION_REQUIRED. */
export function changeSubscriber(live: LiveChanges, claims: Claims): ChangeSubscriber {
  return {
    subscribe: async (name) => {
      const slash = name.indexOf('/');
      const topic = slash < 0 ? name : name.slice(0, slash);
      if (!isTopic(topic)) throw new Error(`unknown topic ${topic}`);
      if (claims.tenantId === null) {
        throw new AppError('AUTHENTICATION_REQUIRED', 'subscriptions need a token', {
          hint: 'Connect with {"authorization": "Bearer <token>"} as connection parameters.',
        });
      }
      const queue = new ChangeQueue();
      const subscribed = await live.subscribe(claims, {
        topics: new Set([topic]),
        key: slash < 0 ? null : name.slice(slash + 1),
        since: null,
        onChanges: (changes) => changes.forEach((change) => put(queue, change)),
        onFailure: (error) => queue.fail(databaseErrorToAppError(error) ?? (error as Error)),
      });
      queue.onEnd = () => subscribed.end();
      return queue;
    },
  };
}

function put(queue: ChangeQueue, change: Change): void {
  if (change.kind === 'reset') queue.resync();
  else queue.push({ operation: operations[change.operation], key: change.key });
}

const operations = { insert: 'INSERT', update: 'UPDATE', delete: 'DELETE' } as const;
