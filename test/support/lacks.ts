import { inject } from 'vitest';
import type { DebianToolName } from './debian-tools.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Names of the tools that this machine lacks. */
    missingTools: readonly DebianToolName[];
  }
}

/** For `describe.skipIf(lacks(...))`: the run reports at its start and its end what it lacked. */
export function lacks(name: DebianToolName): boolean {
  return inject('missingTools').includes(name);
}
