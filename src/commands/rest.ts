import type { Command } from 'commander';
import type { CommandContext } from './command-context.ts';
import { exitStatus } from './exit-status.ts';
import { logSignal, logStop, untilSignal } from './signals.ts';

/** Flags of `lightning rest`. At most one of them counts. */
interface RestFlags {
  readonly example?: true;
  readonly dumpConfig?: true;
  readonly dumpSchema?: true;
  readonly ready?: true;
}

/** `lightning rest` */
export function addRest(program: Command, context: CommandContext): void {
  program
    .command('rest [file]')
    .description(
      'serve any database over REST, configured like the postgrest program; changes nothing in the database',
    )
    .option('-e, --example', 'show a configuration file')
    .option('--dump-config', 'show the configuration in effect, secrets included')
    .option('--dump-schema', 'show the catalog as it was read, as JSON')
    .option('--ready', 'ask the admin server of a running one whether it can answer requests')
    .action(async (file: string | undefined, flags: RestFlags) => {
      const { environment, log, print } = context;
      // Loaded only when needed, like the API.
      const { askReady, dumpRestConfig, dumpRestSchema, exampleConfig } = await import('./rest-tools.ts');
      // The same as for the postgrest program: `.env` does not count, and libpq's variables mean what they mean
      // to libpq.
      const env = environment.exported;
      if (flags.example) return print(exampleConfig());
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
