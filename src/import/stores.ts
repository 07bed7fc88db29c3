import { agentConfigs } from './agent-configs.ts';
import { agentKnowledge } from './agent-knowledge.ts';
import type { Store } from './store.ts';

/**
 * The legacy stores that are imported, in the order of loading: what others refer to comes first. A further store is a
 * module that exports a Store, and a line here.
 */
export const stores: readonly Store[] = [agentConfigs, agentKnowledge];
