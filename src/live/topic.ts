/** What can be listened to: tables, by their names. Their changes are written by app_private.tg__publish. */
export const topics = ['tasks', 'workflows', 'agents'] as const;
export type Topic = (typeof topics)[number];

/** The type of a topic's `id`. */
export const keyTypes: Readonly<Record<Topic, string>> = {
  tasks: 'uuid',
  workflows: 'uuid',
  agents: 'text',
};

/** Whether it is a topic's name. */
export function isTopic(name: string): name is Topic {
  return topics.some((topic) => topic === name);
}
