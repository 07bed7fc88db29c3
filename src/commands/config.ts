import type { Command } from 'commander';
import { configOptions, fileVariable, secretNames } from '../config/options.ts';
import { configurationInEffect } from '../config/options-in-effect.ts';
import type { OptionInEffect } from '../config/options-in-effect.ts';
import { describeUnknown, nearestOption, unknownVariables } from '../config/unknown-variables.ts';
import type { CommandContext } from './command-context.ts';
import { exitStatus } from './exit-status.ts';
import { databaseVariables, explain } from './explain.ts';
import { printJson, withJson } from './listing.ts';
import type { ListingFlags } from './listing.ts';
import { UsageError } from './usage-error.ts';

/** An option as a line for people, and a further line for each fault that was not shown yet. */
function linesOf(option: OptionInEffect, shown: Set<string>): string[] {
  const { name, value, secret, problems } = option;
  const text = value ?? (secret ? '[secret]' : '(unset)');
  const lines = [`${name.padEnd(nameWidth)}  ${text}  (${placeInWords(option)})`];
  for (const problem of problems) {
    if (shown.has(problem)) continue;
    shown.add(problem);
    lines.push(`${' '.repeat(nameWidth)}  -> ${problem}`);
  }
  return lines;
}

const nameWidth = Math.max(...configOptions.map(({ name }) => name.length));

function placeInWords({ name, origin, file }: OptionInEffect): string {
  if (origin === '.env') return file ?? origin;
  return origin === 'file' ? `${file}, which ${fileVariable(name)} names` : origin;
}

/** Throws UsageError for a name that no option has. A file of an option stands for the option. */
function optionsNamed(
  names: readonly string[],
  options: readonly OptionInEffect[],
): readonly OptionInEffect[] {
  const wanted = new Set(
    names.map((name) => {
      const found = options.find(
        (option) =>
          option.name === name ||
          (secretNames.some((each) => each === option.name) && fileVariable(option.name) === name),
      );
      if (!found) throw new UsageError(`${name} is not an option: the nearest is ${nearestOption(name)}`);
      return found;
    }),
  );
  return names.length === 0 ? options : options.filter((option) => wanted.has(option));
}

function showConfig(context: CommandContext, names: readonly string[], flags: ListingFlags): void {
  const { environment, print, setExitStatus } = context;
  const { dotEnv } = environment;
  const { options, problems } = configurationInEffect(environment);
  const shownOptions = optionsNamed(names, options);
  const unreadable = dotEnv.kind === 'unreadable' ? [`${dotEnv.path} cannot be read: ${dotEnv.reason}`] : [];
  const all = [...unreadable, ...problems];
  const shownProblems =
    names.length === 0 ? all : [...unreadable, ...new Set(shownOptions.flatMap((option) => option.problems))];
  const unknown = names.length === 0 ? unknownVariables(environment) : [];
  if (flags.json) {
    printJson(context, { options: shownOptions, problems: shownProblems, unknown });
  } else {
    const shown = new Set<string>();
    for (const option of shownOptions) for (const line of linesOf(option, shown)) print(line);
    for (const problem of shownProblems) if (!shown.has(problem)) print(`-> ${problem}`);
    for (const variable of unknown) print(`-> ${describeUnknown(variable, dotEnv.path)}`);
  }
  if (shownProblems.length > 0) setExitStatus(exitStatus.usage);
}

/** `lightning config` */
export function addConfig(program: Command, context: CommandContext): void {
  explain(withJson(program.command('config').argument('[name...]', 'the options to show; by default all')), {
    variables: [...databaseVariables, 'JWT_SECRET', 'HOST', 'PORT'],
    examples: [
      ['lightning config', 'every option, its value and where that came from'],
      ['lightning config PORT DB_POOL_SIZE', 'these two'],
      ['lightning config --json', 'the same for a program'],
    ],
  })
    .description(
      'show the configuration that commands started here have, with secrets hidden, and variables that nothing reads',
    )
    .action((names: readonly string[], flags: ListingFlags) => showConfig(context, names, flags));
}
