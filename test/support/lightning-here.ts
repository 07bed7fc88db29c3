import { vi } from 'vitest';
import { main } from '../../src/cli.ts';

/** The result of a command line that ran in this process. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process. `onStdout` sees output before it counts as written to stdout, and may throw. */
export async function lightningHere(
  argv: readonly string[],
  env: Record<string, string>,
  onStdout: (text: string) => void = () => {},
): Promise<Ended> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      if (name === 'stdout') onStdout(String(text));
      written[name] += String(text);
      return true;
    }),
  );
  try {
    return { status: await main(argv, { ...env }), ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
