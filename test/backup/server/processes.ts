import { readFile, readdir } from 'node:fs/promises';

/** Ids of the processes that run a program below a process, at any depth. Needs Linux's /proc. */
export async function descendants(pid: number, program: string): Promise<number[]> {
  const parents = new Map<number, { parent: number; name: string }>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const text = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(text) ?? [];
    if (name !== undefined && parent !== undefined)
      parents.set(Number(entry), { parent: Number(parent), name });
  }
  const isBelow = (child: number): boolean => {
    const parent = parents.get(child)?.parent;
    return parent !== undefined && (parent === pid || isBelow(parent));
  };
  // The kernel keeps fifteen characters of a name.
  return [...parents]
    .filter(([child, { name }]) => name === program.slice(0, 15) && isBelow(child))
    .map(([child]) => child);
}

/** Whether a process lives. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
