import { fstatSync } from 'node:fs';
import type { CommandContext } from './command-context.ts';

/** Whether a file descriptor is a file that others than its owner may read. */
export function isExposed(descriptor: number): boolean {
  if (process.platform === 'win32') return false;
  try {
    const status = fstatSync(descriptor);
    return status.isFile() && (status.mode & 0o077) !== 0;
  } catch {
    // It is closed: nobody reads it.
    return false;
  }
}

/** Warns when a command that prints a secret prints into a file that others may read. */
export function warnOfExposure({ outputIsExposed, log }: CommandContext, secret: string): void {
  if (!outputIsExposed()) return;
  log({
    level: 'warning',
    event: 'secret-exposed',
    message: `the output has ${secret} and goes to a file that others may read: chmod 600 that file, and run umask 077 before next time`,
  });
}
