import type { Command } from 'commander';
import { databaseVariables, explain } from './explain.ts';

/** `lightning audit`, which the commands that read and verify the log are parts of; made by the first of them. */
export function auditGroup(program: Command): Command {
  return (
    program.commands.find((command) => command.name() === 'audit') ??
    explain(program.command('audit'), {
      variables: [...databaseVariables, 'MIGRATE_DATABASE_URL', 'BACKUP_DATABASE_URL'],
      examples: [
        ['lightning audit search --tenant acme --table tasks', 'what was done to the tasks of acme'],
        ['lightning audit verify', 'recompute the chain and every row that it seals'],
      ],
    }).description('read the audit log, and verify it')
  );
}
