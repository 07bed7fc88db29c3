import type { Config } from '../config/config.ts';
import { parseConfig } from '../config/parse-config.ts';
import { describeUnknown, unknownVariables } from '../config/unknown-variables.ts';
import { describeChoice, doubtChoice } from '../database-choice.ts';
import type { CommandContext } from './command-context.ts';

/** `lightning config` names all of them. */
const mostWarnings = 20;

/** Parses the configuration, and warns when its database may not be the intended one. Throws ConfigError. */
export function configure({ environment, log }: CommandContext): Config {
  const config = parseConfig(environment.variables);
  const doubt = doubtChoice(config, environment);
  if (doubt !== null) log({ level: 'warning', event: 'database-doubted', message: doubt });
  return config;
}

/** Logs the chosen database, and the reason for the choice. */
export function announceDatabase({ environment, log }: CommandContext, config: Config): void {
  const choice = `the database is ${describeChoice(config, environment)}`;
  const message = config.useDatabase ? choice : `${choice}: what is written is lost when this process ends`;
  log({ level: config.useDatabase ? 'info' : 'warning', event: 'database-chosen', message });
}

/** Warns of variables that look as if they were meant for an option, and that nothing reads. */
export function warnOfUnknownVariables({ environment, log }: CommandContext): void {
  for (const variable of unknownVariables(environment).slice(0, mostWarnings)) {
    const message = describeUnknown(variable, environment.dotEnv.path);
    log({ level: 'warning', event: 'variable-unknown', message, variable: variable.name });
  }
}
