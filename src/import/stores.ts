import { agentConfigs } from './agent-configs.ts';
import { agentKnowledge } from './agent-knowledge.ts';
import { agentMemory } from './agent-memory.ts';
import { applicationAgents, applicationTables } from './application-database.ts';
import { metricPoints } from './metric-points.ts';
import type { Store } from './store.ts';

/**
 * The legacy stores that are imported. They are loaded in this order, so a store comes before those that refer
 * to it. To add a store, write a module that exports a Store, and add a line here.
 */
export const stores: readonly Store[] = [
  agentConfigs,
  applicationAgents,
  agentKnowledge,
  ...applicationTables,
  agentMemory,
  metricPoints,
];
