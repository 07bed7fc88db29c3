import { chmodSync, closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { isExposed, warnOfExposure } from '../../src/commands/exposed-output.ts';
import { commandContext } from '../support/command-context.ts';

test.skipIf(process.platform === 'win32')('output is exposed when it is a file that others may read', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lightning-out-'));
  const file = path.join(folder, '.env');
  const descriptor = openSync(file, 'w');
  try {
    for (const [mode, exposed] of [
      [0o644, true],
      [0o640, true],
      [0o600, false],
      [0o604, true],
      [0o400, false],
    ] as const) {
      chmodSync(file, mode);
      expect(isExposed(descriptor), mode.toString(8)).toBe(exposed);
    }
    const nobody = openSync('/dev/null', 'w');
    expect(isExposed(nobody)).toBe(false);
    closeSync(nobody);
  } finally {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  }
  expect(isExposed(descriptor)).toBe(false);
});

test('a command that prints a secret there says what to do, without the secret', () => {
  const said: string[] = [];
  const context = {
    ...commandContext({}).context,
    log: ({ message }: { message: string }) => void said.push(message),
    outputIsExposed: () => true,
  };
  warnOfExposure(context, 'passwords');
  expect(said).toEqual([expect.stringMatching(/^the output has passwords and .* chmod 600 /)]);
  warnOfExposure({ ...context, outputIsExposed: () => false }, 'passwords');
  expect(said).toHaveLength(1);
});
