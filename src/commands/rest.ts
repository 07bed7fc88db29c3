import type { Command } from 'commander';
import type { CommandContext } from './command-context.ts';
import { postgrestOptions } from '../postgrest/option-list.ts';
import { explain } from './explain.ts';
import { exitStatus } from './exit-status.ts';
import { warnOfExposure } from './exposed-output.ts';
import { logSignal, logStop, untilSignal } from './signals.ts';

/** Flags of `lightning rest`. At most one of them counts. */
interface RestFlags {
  readonly example?: true;
  readonly dumpConfig?: true;
  readonly dumpSchema?: true;
  readonly ready?: true;
}

/** The options that every installation has to decide on, as variables; docs/postgrest.md has all. */
const restVariables = [
  'db-uri',
  'db-schemas',
  'db-anon-role',
  'jwt-secret',
  'server-host',
  'server-port',
].map((name) => {
  const { fallback, meaning } = postgrestOptions.find((option) => option.name === name)!;
  return { name: `PGRST_${name.toUpperCase().replaceAll('-', '_')}`, fallback, meaning };
});

/** `lightning rest` */
export function addRest(program: Command, context: CommandContext): void {
  explain(program.command('rest [file]'), {
    variables: restVariables,
    examples: [
      [
        'PGRST_DB_URI=postgres://authenticator:secret@localhost/app lightning rest',
        'http://127.0.0.1:3000/<table>',
      ],
      ['lightning rest postgrest.conf', 'with a configuration file'],
    ],
  })
    .description('serve any database over REST, configured like PostgREST; changes nothing in the database')
    .option('-e, --example', 'show a configuration file')
    .option('--dump-config', 'show the configuration in effect, secrets included')
    .option('--dump-schema', 'show the catalog as it was read, as JSON')
    .option('--ready', 'ask the admin server of a running `lightning rest` whether it can answer requests')
    .action(async (file: string | undefined, flags: RestFlags) => {
      const { environment, log, print } = context;
      // Loaded only when needed, like the API.
      const { askReady, dumpRestConfig, dumpRestSchema, exampleConfig } = await import('./rest-tools.ts');
      // The same as for the postgrest program: `.env` does not count, and libpq's variables mean what they mean
      // to libpq.
      const env = environment.exported;
      if (flags.example) return print(exampleConfig());
      if (flags.dumpConfig) warnOfExposure(context, 'the secrets of the configuration');
      if (flags.dumpConfig) return print(await dumpRestConfig({ env, file, log }));
      if (flags.dumpSchema) return print(await dumpRestSchema({ env, file, log }));
      if (flags.ready) return print(await askReady({ env, file }));
      return serveUntilSignal(context, file);
    });
}

async function serveUntilSignal(
  { environment, log, print, setExitStatus }: CommandContext,
  file: string | undefined,
): Promise<void> {
  const { startRest } = await import('./rest-server.ts');
  const stopped = untilSignal();
  const rest = startRest({ env: environment.exported, file, log, writeAccess: print });
  // Windows has no such signals; a NOTIFY has the same effect.
  if (process.platform !== 'win32') {
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => rest.reload());
  }
  try {
    logSignal(log, await Promise.race([stopped, rest.failed]));
  } finally {
    const unfinished = await rest.stop();
    if (unfinished.length > 0) setExitStatus(exitStatus.failed);
    logStop(log, unfinished);
  }
}
