import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';

/** Variables by name, as in a process's environment. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The file `.env` of a directory. */
export type DotEnv =
  | { readonly kind: 'absent'; readonly path: string }
  | { readonly kind: 'unreadable'; readonly path: string; readonly reason: string }
  | {
      readonly kind: 'read';
      readonly path: string;
      readonly text: string;
      /** The variables as Node's own loader reads them. */
      readonly variables: Variables;
    };

/** The environment that a process was started with. */
export interface Environment {
  /** The variables that count: the exported ones, and those that only `.env` has. */
  readonly variables: Variables;
  readonly exported: Variables;
  /** `.env` of the working directory. */
  readonly dotEnv: DotEnv;
}

/**
 * Reads the environment of this process, and `.env` of its working directory. An exported variable wins, even
 * an empty one. `processVariables` are the process's own and are changed, because libraries read them: `.env`
 * is added, and libpq's variables are removed, which node-postgres and the programs that we start would
 * otherwise follow.
 */
export function takeEnvironment(
  processVariables: Record<string, string | undefined>,
  workingDirectory: string,
): Environment {
  const exported = { ...processVariables };
  const dotEnv = readDotEnv(workingDirectory);
  const variables = { ...(dotEnv.kind === 'read' ? dotEnv.variables : {}), ...exported };
  for (const [name, value] of Object.entries(variables)) {
    if (isOfLibpq(name)) delete processVariables[name];
    else processVariables[name] = value;
  }
  return { variables, exported, dotEnv };
}

/** The environment with `.env` read again. Exported variables are those that the process was started with. */
export function readAgain({ exported, dotEnv }: Environment): Environment {
  const fresh = readDotEnv(path.dirname(dotEnv.path));
  const variables = { ...(fresh.kind === 'read' ? fresh.variables : {}), ...exported };
  return { variables, exported, dotEnv: fresh };
}

/**
 * Reads `.env` of a directory. A directory with that name (Python's virtual environments have one) does not
 * count.
 */
export function readDotEnv(directory: string): DotEnv {
  const file = path.join(directory, '.env');
  try {
    const text = decode(readFileSync(file));
    return { kind: 'read', path: file, text, variables: parseEnv(text) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'ENOTDIR') return { kind: 'absent', path: file };
    return { kind: 'unreadable', path: file, reason: message };
  }
}

/**
 * Whether a variable is one of libpq's: `PGHOST`, `PGPORT` and so on describe some other database. PostgREST's
 * `PGRST_...` are not libpq's.
 */
function isOfLibpq(name: string): boolean {
  return /^PG[A-Z]/.test(name) && !name.startsWith('PGRST_');
}

/** Decodes UTF-8, or UTF-16 with a byte order mark, which `>` writes in PowerShell. */
function decode(bytes: Buffer): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  return new TextDecoder().decode(bytes);
}
