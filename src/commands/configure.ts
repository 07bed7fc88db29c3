import type { Config } from '../config/config.ts';
import { parseConfig } from '../config/parse-config.ts';
import { describeChoice, doubtChoice } from '../database-choice.ts';
import type { CommandContext } from './command-context.ts';

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
