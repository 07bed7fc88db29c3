import type { PgResource } from 'postgraphile/@dataplan/pg';
import { context, get, lambda, listen } from 'postgraphile/grafast';
import type { FieldArgs, Step } from 'postgraphile/grafast';
import { extendSchema } from 'postgraphile/utils';
import type { Topic } from '../../live/topic.ts';
import { OperationalError } from '../../operational-error.ts';
import type { ChangeEvent } from '../change-queue.ts';
import type { ChangeSubscriber } from '../change-subscriber.ts';

declare global {
  namespace Grafast {
    interface Context {
      /** Made for the caller of each operation, by src/graphql/engine.ts. */
      changeSubscriber: ChangeSubscriber;
    }
  }
}

/** `subscription { taskChanged { operation taskId task { ... } } }`, and the same for the other topics. */
export const RowChangedPlugin: GraphileConfig.Plugin = extendSchema((build) => {
  const changes = Object.fromEntries(
    subjects.map(({ topic, type, field }) => {
      const resource = build.pgResources[topic] as PgResource | undefined;
      if (!resource)
        throw new OperationalError(
          `the database has no table app_public.${topic}; run \`lightning migrate\``,
        );
      const plans = {
        operation: ($event: Step<ChangeEvent>) => get($event, 'operation'),
        [`${field}Id`]: ($event: Step<ChangeEvent>) => get($event, 'key'),
        [field]: ($event: Step<ChangeEvent>) => resource.get({ id: get($event, 'key') }),
      };
      return [`${type}Change`, { plans }];
    }),
  );
  const subscriptions = Object.fromEntries(
    subjects.map(({ topic, field, idType }) => [
      `${field}Changed`,
      {
        subscribePlan(_$root: Step, { $id }: FieldArgs) {
          const keyOf = (id: string) => (idType === 'UUID' ? id.toLowerCase() : id);
          const name = (id: string | null | undefined) => (id ? `${topic}/${keyOf(id)}` : topic);
          return listen(context().get('changeSubscriber'), lambda($id as Step<string | null>, name));
        },
        plan: ($event: Step) => $event,
      },
    ]),
  );
  return {
    typeDefs: [operationType, ...subjects.map(typesOf)].join('\n'),
    objects: { ...changes, Subscription: { plans: subscriptions } },
  };
}, 'RowChangedPlugin');

interface Subject {
  readonly topic: Topic;
  readonly type: string;
  readonly field: string;
  readonly idType: string;
}

const subjects: readonly Subject[] = [
  { topic: 'tasks', type: 'Task', field: 'task', idType: 'UUID' },
  { topic: 'workflows', type: 'Workflow', field: 'workflow', idType: 'UUID' },
  { topic: 'agents', type: 'Agent', field: 'agent', idType: 'String' },
  { topic: 'threads', type: 'Thread', field: 'thread', idType: 'UUID' },
  { topic: 'messages', type: 'Message', field: 'message', idType: 'UUID' },
];

const operationType = /* GraphQL */ `
  """
  What happened to a row.
  """
  enum ChangeOperation {
    INSERT
    UPDATE
    DELETE
    """
    Changes were missed, or there were too many to tell one by one: query again what you show.
    """
    RESYNC
  }
`;

function typesOf({ topic, type, field, idType }: Subject): string {
  return /* GraphQL */ `
    """
    A change of one of the ${topic}.
    """
    type ${type}Change {
      operation: ChangeOperation!
      """
      Which one changed; null with RESYNC.
      """
      ${field}Id: ${idType}
      """
      The ${field} as it is now; null when it was deleted, or you may not see it, and with RESYNC.
      """
      ${field}: ${type}
    }

    extend type Subscription {
      """
      Changes of your tenant's ${topic} from now on, whoever makes them; with an id, only those of that ${field}. Be
      prepared for RESYNC: it says that changes were not delivered one by one and you have to query again.
      """
      ${field}Changed(id: ${idType}): ${type}Change
    }
  `;
}
