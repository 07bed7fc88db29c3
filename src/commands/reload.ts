import type { Config } from '../config/config.ts';
import { reload, valuesIn } from '../config/reload.ts';
import { readAgain } from '../environment.ts';
import type { CommandContext } from './command-context.ts';
import { warnOfUnknownVariables } from './configure.ts';

/** Follows SIGHUP from now on. */
export interface Hangups {
  /** Hands each configuration that was read anew to `adopt`. A signal that came before counts now. */
  begin(adopt: (config: Config) => void): void;
  /** Further signals do nothing. */
  end(): void;
}

/**
 * Reads the configuration anew at SIGHUP, and logs what of it is in effect and what needs a restart. In a terminal the signal says that
 * the terminal has gone, and ends the process as it ends any other; so it does on Windows.
 */
export function followHangups(context: CommandContext): Hangups {
  const { environment, log } = context;
  let values = valuesIn(environment.variables);
  let adoptConfig: ((config: Config) => void) | null = null;
  let waiting = false;
  let ended = false;

  const refuse = (problems: readonly string[]): void =>
    log({
      level: 'error',
      event: 'configuration-refused',
      message: `SIGHUP: the new configuration is not valid, and nothing changes:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    });

  const read = (adopt: (config: Config) => void): void => {
    const fresh = readAgain(environment);
    if (fresh.dotEnv.kind === 'unreadable')
      return refuse([`${fresh.dotEnv.path} cannot be read: ${fresh.dotEnv.reason}`]);
    const found = reload(values, fresh.variables);
    if (found.kind === 'refused') return refuse(found.problems);
    const { config, inEffect, followed, needRestart } = found;
    values = found.values;
    adopt(config);
    const parts = [
      inEffect.length > 0 ? `in effect now: ${inEffect.join(', ')}` : null,
      followed.length > 0 ? `in effect since the file changed: ${followed.join(', ')}` : null,
      needRestart.length > 0 ? `needs a restart: ${needRestart.join(', ')}` : null,
    ].filter((part) => part !== null);
    log({
      level: needRestart.length > 0 ? 'warning' : 'info',
      event: 'configuration-read',
      message: `SIGHUP: ${parts.length === 0 ? 'nothing has changed' : parts.join('; ')}`,
      inEffect,
      followed,
      needRestart,
    });
    warnOfUnknownVariables({ ...context, environment: fresh });
  };

  const isInTerminal = context.outputIsTerminal || context.ask !== null;
  if (!isInTerminal && process.platform !== 'win32') {
    process.on('SIGHUP', () => {
      if (ended) return;
      if (adoptConfig === null) waiting = true;
      else read(adoptConfig);
    });
  }
  return {
    begin: (adopt) => {
      adoptConfig = adopt;
      if (waiting) read(adopt);
    },
    end: () => {
      ended = true;
    },
  };
}
