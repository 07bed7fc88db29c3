import type { Command } from 'commander';
import type { Config } from '../config/config.ts';
import { migrate } from '../db/migrations.ts';
import type { Log } from '../log.ts';
import { ConnectionsError, waitForLogins } from '../open-database.ts';
import type { Connections } from '../open-database.ts';
import { requireOwnSession } from '../own-session.ts';
import { sayWhileSlow } from '../say-while-slow.ts';
import type { CommandContext } from './command-context.ts';
import { databaseVariables, explain } from './explain.ts';
import { announceDatabase, configure } from './configure.ts';
import { withConnections } from './with-connections.ts';

/** Migrates as the migrations' login, and logs the result. */
export async function migrateTo(connections: Connections, config: Config, log: Log): Promise<void> {
  if (connections.migrate === null) {
    throw new ConnectionsError(
      'MIGRATE_DATABASE_URL is missing, and `start` migrates first. Set it, or run `lightning migrate` elsewhere and `lightning serve` here',
    );
  }
  await requireOwnSession(connections, 'migrations');
  const connectionString = connections.migrate;
  const done = await sayWhileSlow(log, 'bringing the schema up to date', () =>
    migrate({
      connectionString,
      rolePrefix: config.rolePrefix,
      ssl: connections.tls(connectionString),
      log: (message) => log({ level: 'info', event: 'migrate', message }),
    }),
  );
  const message = done.length > 0 ? `migrated: ${done.join(', ')}` : 'the schema is current';
  log({ level: 'info', event: 'migrated', message, migrations: done });
}

/** `lightning migrate` */
export function addMigrate(program: Command, context: CommandContext): void {
  explain(program.command('migrate'), {
    variables: [...databaseVariables, 'MIGRATE_DATABASE_URL', 'DB_ROLE_PREFIX'],
    examples: [['lightning migrate', 'before a new version is started on a server']],
  })
    .description('bring the schema of the database up to date')
    .action(async () => {
      const config = configure(context);
      announceDatabase(context, config);
      await withConnections(context, config, { make: true }, async (connections) => {
        await waitForLogins(connections, ['migrate'], config, context.log);
        await migrateTo(connections, config, context.log);
      });
    });
}
