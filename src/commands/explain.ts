import type { Command } from 'commander';
import { configOptions } from '../config/options.ts';
import type { OptionName } from '../config/options.ts';

/** What the help of a command says beyond its flags. */
export interface Explanation {
  /** The variables that matter most to it, besides its flags. */
  readonly variables: readonly (OptionName | ExplainedVariable)[];
  /** Command lines, each with what it does. */
  readonly examples: readonly (readonly [line: string, does: string])[];
}

/** A variable that is not one of the configuration's own. */
export interface ExplainedVariable {
  readonly name: string;
  /** Empty: it has none. */
  readonly fallback: string;
  readonly meaning: string;
}

/** The variables that say which database a command works on. */
export const databaseVariables = ['DATA_DIR', 'DATABASE_URL'] as const satisfies readonly OptionName[];

/** Adds variables with their defaults, and examples, to the help of a command. */
export function explain(command: Command, { variables, examples }: Explanation): Command {
  const options = variables.map((variable) =>
    typeof variable === 'string' ? configOptions.find(({ name }) => name === variable)! : variable,
  );
  const shownVariables = columns(
    options.map(({ name, fallback, meaning }) => [
      name,
      `${meaning.replaceAll('`', '')}${fallback === '' ? '' : ` (default: ${fallback})`}`,
    ]),
  );
  const shownExamples = columns(examples.map(([line, does]) => [line, `# ${does}`]));
  return command.addHelpText(
    'after',
    [
      ...(options.length === 0 ? [] : ['', 'Variables:', ...shownVariables]),
      '',
      examples.length === 1 ? 'Example:' : 'Examples:',
      ...shownExamples,
    ].join('\n'),
  );
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`);
}
