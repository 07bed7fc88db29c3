import { join } from 'node:path';
import { exists } from '../../../programs/places.ts';
import { ProgramsMissing } from '../programs.ts';
import type { ServerPrograms } from '../programs.ts';

const names = ['pg_amcheck'] as const;

/** Programs that a drill needs, in addition to those for backups and restores. */
export type DrillPrograms = ServerPrograms & { readonly forDrills: true };

/** The same programs, once the drill's programs are known to be beside them. Rejects with ProgramsMissing. */
export async function findDrillPrograms(programs: ServerPrograms): Promise<DrillPrograms> {
  for (const name of names) {
    if (await exists(join(programs.binDirectory, name))) continue;
    const major = Number.parseInt(programs.version, 10);
    throw new ProgramsMissing(
      `a drill checks pages and indexes, and ${programs.binDirectory} has no ${name}. Install it ` +
        `(on Debian: apt-get install postgresql-${major} postgresql-${major}-pgvector), or set BACKUP_BIN_DIR to the folder that has it`,
    );
  }
  return { ...programs, forDrills: true };
}

/** The file of a program. */
export function drillProgram({ binDirectory }: DrillPrograms, name: (typeof names)[number]): string {
  return join(binDirectory, name);
}
