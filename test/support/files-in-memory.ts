import { execFileSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** The files of a run take 0.6 GB at most; the rest is for the programs that it starts. */
const neededBytes = { files: 4 * 2 ** 30, memory: 8 * 2 ** 30 };

/**
 * Puts the temporary files of this process, and of those that it starts, into memory: a data directory has 1,400
 * files, and on a disk the file system takes longer to create them than Postgres to start. Does nothing when `TMPDIR`
 * says where they belong, or where memory is short, has no file system or starts no programs. Returns what removes
 * them and sets the environment back.
 */
export function keepFilesInMemory(env: NodeJS.ProcessEnv, memory = '/dev/shm'): () => void {
  if (env['TMPDIR'] !== undefined || !hasRoom(memory)) return () => {};
  removeAbandoned(memory);
  // Sockets lie in these directories, and a socket's path has at most 107 bytes: the name is short.
  const directory = mkdtempSync(join(memory, `${prefix}${process.pid}-`));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  if (!startsPrograms(directory)) {
    remove();
    return () => {};
  }
  // For root the server runs as another user, who has to reach its own directory.
  chmodSync(directory, 0o711);
  env['TMPDIR'] = directory;
  return () => {
    delete env['TMPDIR'];
    remove();
  };
}

const prefix = 'lightning-';

function hasRoom(memory: string): boolean {
  if (process.availableMemory() < neededBytes.memory) return false;
  try {
    accessSync(memory, constants.W_OK);
    const { bavail, bsize } = statfsSync(memory);
    return bavail * bsize >= neededBytes.files;
  } catch {
    return false;
  }
}

/** Containers often mount it so that nothing in it can be executed, which tests of the package do. */
function startsPrograms(directory: string): boolean {
  const program = join(directory, 'program');
  writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 });
  try {
    execFileSync(program);
    return true;
  } catch {
    return false;
  }
}

/** Removes the files of runs that were killed. Those of other users stay. */
function removeAbandoned(memory: string): void {
  for (const name of readdirSync(memory)) {
    const pid = /^lightning-(\d+)-\w+$/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    try {
      rmSync(join(memory, name), { recursive: true, force: true });
    } catch {}
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
