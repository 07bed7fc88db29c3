/** Tables that can be subscribed to, by name. app_private.tg__publish records their changes. */
export const topics = ['tasks', 'workflows', 'agents', 'threads', 'messages'] as const;
export type Topic = (typeof topics)[number];

/** The SQL type of each topic's `id`. */
export const keyTypes: Readonly<Record<Topic, string>> = {
  tasks: 'uuid',
  workflows: 'uuid',
  agents: 'text',
  threads: 'uuid',
  messages: 'uuid',
};

/** Whether the name is a topic. */
export function isTopic(name: string): name is Topic {
  return topics.some((topic) => topic === name);
}
