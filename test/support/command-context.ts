import type { CommandContext } from '../../src/commands/command-context.ts';

/** What a command is given, with a configuration of these variables alone, and what it printed until then. */
export function commandContext(variables: Readonly<Record<string, string>>): {
  readonly context: CommandContext;
  readonly printed: readonly string[];
} {
  const printed: string[] = [];
  return {
    printed,
    context: {
      environment: { variables, exported: variables, dotEnv: { kind: 'absent', path: '/nowhere/.env' } },
      log: () => {},
      print: (line) => printed.push(line),
      showProgress: () => {},
      setExitStatus: () => {},
    },
  };
}
