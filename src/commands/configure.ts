import type { Config } from '../config/config.ts';
import { parseConfig } from '../config/parse-config.ts';
import { describeChoice, doubtChoice } from '../database-choice.ts';
import type { CommandContext } from './command-context.ts';

/** Parses the configuration, and warns when its database may not be the one that was meant. Throws ConfigError. */
export function configure({ environment, log }: CommandContext): Config {
  const config = parseConfig(environment.variables);
  const doubt = doubtChoice(config, environment);
  if (doubt !== null) log({ level: 'warning', event: 'database-doubted', message: doubt });
  return config;
}

/** Logs which database was chosen, and why. */
export function announceDatabase({ environment, log }: CommandContext, config: Config): void {
  const message = `the database is ${describeChoice(config, environment)}`;
  log({ level: 'info', event: 'database-chosen', message });
}
