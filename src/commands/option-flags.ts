import type { Command } from 'commander';
import { serverVariable } from '../database-choice.ts';
import { ConfigError } from '../config/parse-config.ts';
import type { OptionName } from '../config/options.ts';
import type { CommandContext } from './command-context.ts';
import { UsageError } from './usage-error.ts';

/** Flags that stand for options of the configuration. */
export interface OptionFlags {
  readonly port?: string;
  readonly host?: string;
  readonly data?: string;
}

/** The flags with the options that they stand for. */
const optionOf = { port: 'PORT', host: 'HOST', data: 'DATA_DIR' } as const satisfies Record<
  keyof OptionFlags,
  OptionName
>;

/** Gives a command these flags. */
export function withOptionFlags(command: Command, flags: readonly (keyof OptionFlags)[]): Command {
  return flags.reduce((made, flag) => made.option(described[flag][0], described[flag][1]), command);
}

const described = {
  port: ['--port <port>', 'the port that the API listens on, instead of PORT; 0 takes a free one'],
  host: ['--host <address>', 'the address that the API listens on, instead of HOST'],
  data: ['--data <directory>', 'the directory of the embedded database, instead of DATA_DIR'],
} as const satisfies Record<keyof OptionFlags, readonly [flag: string, meaning: string]>;

/**
 * The context with the flags in place of their variables: they are checked in the same way, and win. Throws UsageError
 * for an empty value, and for `--data` where the variables choose another database than the embedded one.
 */
export function contextWithFlags(context: CommandContext, flags: OptionFlags): CommandContext {
  const { environment } = context;
  const given: Partial<Record<OptionName, string>> = {};
  for (const flag of ['port', 'host', 'data'] as const) {
    const value = flags[flag];
    if (value === undefined) continue;
    if (value === '') throw new UsageError(`--${flag} is empty`);
    given[optionOf[flag]] = value;
  }
  const server = serverVariable(environment.variables);
  if (given.DATA_DIR !== undefined && server !== undefined) {
    throw new UsageError(
      `--data names an embedded database, and ${server} a server: leave out --data, or start with ${server} empty`,
    );
  }
  if (given.DATA_DIR !== undefined && environment.variables['USE_DATABASE'] === 'false') {
    throw new UsageError(
      '--data names a directory, and USE_DATABASE=false keeps everything in memory: leave out one',
    );
  }
  return {
    ...context,
    environment: {
      ...environment,
      variables: { ...environment.variables, ...given },
      exported: { ...environment.exported, ...given },
    },
  };
}

/** Does the work; problems of the configuration that a flag caused name the flag. */
export function namingFlags<T>(flags: OptionFlags, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(
      error.problems.map((problem) =>
        (['port', 'host', 'data'] as const).reduce(
          (text, flag) =>
            flags[flag] !== undefined && text.startsWith(`${optionOf[flag]} `)
              ? `--${flag}${text.slice(optionOf[flag].length)}`
              : text,
          problem,
        ),
      ),
    );
  }
}
