/**
 * The contents of the benchmark's tables: 10 tenants of 1,000 agents; 200 agents of each have 100 tasks, 200,000 in
 * all.
 */
export const tenantCount = 10;
export const agentsPerTenant = 1_000;
export const busyAgentsPerTenant = 200;
export const tasksPerBusyAgent = 100;

/** Uniform numbers from 0 (inclusive) to 1, the same sequence for the same seed (mulberry32). */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
