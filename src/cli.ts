import { Command, CommanderError } from 'commander';
import { TokenError } from './auth/token-error.ts';
import { askAtTerminal } from './commands/ask.ts';
import { addAlerts } from './commands/alerts.ts';
import { addBackup } from './commands/backup.ts';
import { addConfig } from './commands/config.ts';
import type { CommandContext } from './commands/command-context.ts';
import { exitStatus } from './commands/exit-status.ts';
import { addExport } from './commands/export.ts';
import { isExposed } from './commands/exposed-output.ts';
import { addImport } from './commands/import.ts';
import { addJobs } from './commands/jobs.ts';
import { addKey } from './commands/key.ts';
import { addLogin } from './commands/login.ts';
import { addMigrate } from './commands/migrate.ts';
import { progressLine } from './commands/progress-line.ts';
import { addReadAudit } from './commands/read-audit.ts';
import { addRecover } from './commands/recover.ts';
import { addRest } from './commands/rest.ts';
import { addRestore } from './commands/restore.ts';
import { addRetention } from './commands/retention.ts';
import { addServe } from './commands/serve.ts';
import { addRollback } from './commands/rollback.ts';
import { addSetup } from './commands/setup.ts';
import { addStatus } from './commands/status.ts';
import { addTenant } from './commands/tenant.ts';
import { addToken } from './commands/token.ts';
import { UsageError } from './commands/usage-error.ts';
import { addVerifyAudit } from './commands/verify-audit.ts';
import { addWrites } from './commands/writes.ts';
import { ConfigError } from './config/parse-config.ts';
import { adviceOn, troubleOf } from './db/server-trouble.ts';
import { takeEnvironment } from './environment.ts';
import { makeLog } from './log.ts';
import { stackOfBug } from './operational-error.ts';
import { version } from './version.ts';

const stdoutDescriptor = 1;

/** Every command, in the order in which --help lists them. Each is bound in its own file. */
const commands: readonly ((program: Command, context: CommandContext) => void)[] = [
  addServe,
  addRest,
  addMigrate,
  addSetup,
  addStatus,
  addConfig,
  addToken,
  addKey,
  addJobs,
  addAlerts,
  addTenant,
  addLogin,
  addReadAudit,
  addRetention,
  addVerifyAudit,
  addImport,
  addExport,
  addWrites,
  addRollback,
  addBackup,
  addRestore,
  addRecover,
];

/**
 * Runs one command line and returns its exit status. `processVariables` are the process's own; see
 * takeEnvironment. This is the only catch-all: every error becomes a line that says what was wrong, and a bug
 * shows its stack.
 */
export async function main(
  argv: readonly string[],
  processVariables: Record<string, string | undefined>,
): Promise<number> {
  let result: number = exitStatus.ok;
  const now = () => new Date();
  const program = makeProgram({
    environment: takeEnvironment(processVariables, process.cwd()),
    log: makeLog(process.stderr, now),
    logAs: (choice) => makeLog(process.stderr, now, choice),
    print: (line) => {
      process.stdout.write(`${line}\n`);
    },
    outputIsTerminal: process.stdout.isTTY === true,
    outputIsExposed: () => isExposed(stdoutDescriptor),
    ask: process.stdin.isTTY === true ? askAtTerminal : null,
    showProgress: progressLine(process.stderr),
    setExitStatus: (status) => {
      result = status;
    },
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return result;
  } catch (error) {
    return report(error);
  }
}

function makeProgram(context: CommandContext): Command {
  const program = new Command('lightning')
    .description('The durable, Postgres-native home for the state of AI agents')
    .version(version, '-V, --version', 'print the version')
    .exitOverride()
    .showHelpAfterError('(--help lists what is allowed)')
    .addHelpText(
      'after',
      '\nThe configuration comes from the environment and from .env: lightning config shows it.\n' +
        'lightning <command> --help has the variables of a command and examples.\n\n' +
        'Example:\n  lightning start  # an embedded database in ./data, and the API on http://127.0.0.1:3000',
    );
  for (const add of commands) add(program, context);
  return program;
}

/** Reports an error on stderr, and returns the exit status. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has already printed the message. --help and --version also arrive here, with exit code 0.
    return error.exitCode === 0 ? exitStatus.ok : exitStatus.usage;
  }
  process.stderr.write(`lightning: ${inWords(error)}\n`);
  const trouble = troubleOf(error);
  const said = error instanceof Error && 'hint' in error ? error.hint : undefined;
  const hint = trouble === null ? said : adviceOn(trouble.code);
  if (typeof hint === 'string') process.stderr.write(`  ${hint}\n`);
  return error instanceof ConfigError || error instanceof UsageError || error instanceof TokenError
    ? exitStatus.usage
    : exitStatus.failed;
}

/** The message of an error; for a bug the stack, which begins with the message. */
function inWords(error: unknown): string {
  return stackOfBug(error) ?? (error instanceof Error ? error.message : String(error));
}
