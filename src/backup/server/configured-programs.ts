import type { Config } from '../../config/config.ts';
import { findPrograms } from './programs.ts';
import type { ServerPrograms } from './programs.ts';

/** Finds the programs of a major version where the configuration says. Rejects with ProgramsMissing. */
export function configuredPrograms({ backup }: Config): (major: number) => Promise<ServerPrograms> {
  return (major) =>
    findPrograms({ major, binDirectory: backup.binDirectory, env: backup.programEnvironment });
}
