import { readFile } from 'node:fs/promises';
import type { ChildProcess } from 'node:child_process';

/** Follows the memory of a process until it ends. Returns the most that it had, in MiB; only Linux tells. */
export async function peakMemory(child: ChildProcess): Promise<number> {
  let peak = 0;
  while (child.exitCode === null && child.signalCode === null) {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    const [, kilobytes = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
    peak = Math.max(peak, Number(kilobytes) / 1024);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return peak;
}
