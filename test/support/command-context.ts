import type { CommandContext } from '../../src/commands/command-context.ts';

/** The context of a command, configured by these variables alone, and what the command has printed so far. */
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
      logAs: () => () => {},
      print: (line) => printed.push(line),
      outputIsTerminal: false,
      outputIsExposed: () => false,
      ask: null,
      showProgress: () => {},
      setExitStatus: () => {},
    },
  };
}
