import { context, get, lambda, listen } from 'postgraphile/grafast';
import type { FieldArgs, Step } from 'postgraphile/grafast';
import { extendSchema } from 'postgraphile/utils';
import type { TaskEvent, TaskSubscriber } from '../task-events.ts';

declare global {
  namespace Grafast {
    interface Context {
      /** Made for the caller of each operation, by src/graphql/engine.ts. */
      taskSubscriber: TaskSubscriber;
    }
  }
}

/** `subscription { taskChanged { operation taskId task { ... } } }`, from src/graphql/task-events.ts. */
export const TaskChangedPlugin: GraphileConfig.Plugin = extendSchema((build) => {
  const tasks = build.pgResources['tasks'];
  if (!tasks) throw new Error('the database has no table app_public.tasks; run `lightning migrate`');
  return {
    typeDefs: /* GraphQL */ `
      """
      What happened to a task.
      """
      enum TaskOperation {
        INSERT
        UPDATE
        DELETE
        """
        Changes were missed, or there were too many to tell one by one: query again what you show.
        """
        RESYNC
      }

      """
      A change of a task.
      """
      type TaskChange {
        operation: TaskOperation!
        """
        The task that changed; null with RESYNC.
        """
        taskId: UUID
        """
        The task as it is now; null when it was deleted, or you may not see it, and with RESYNC.
        """
        task: Task
      }

      extend type Subscription {
        """
        Changes of your tenant's tasks from now on, whoever makes them; of one task when its id is given. Be prepared
        for RESYNC: it says that changes were not delivered one by one and you have to query again.
        """
        taskChanged(id: UUID): TaskChange
      }
    `,
    objects: {
      Subscription: {
        plans: {
          taskChanged: {
            subscribePlan(_$root: Step, { $id }: FieldArgs) {
              const $subscriber = context().get('taskSubscriber');
              return listen(
                $subscriber,
                lambda($id as Step<string | null | undefined>, (id) => id ?? ''),
              );
            },
            plan: ($event: Step) => $event,
          },
        },
      },
      TaskChange: {
        plans: {
          operation: ($event: Step<TaskEvent>) => get($event, 'operation'),
          taskId: ($event: Step<TaskEvent>) => get($event, 'taskId'),
          task: ($event: Step<TaskEvent>) => tasks.get({ id: get($event, 'taskId') }),
        },
      },
    },
  };
}, 'TaskChangedPlugin');
