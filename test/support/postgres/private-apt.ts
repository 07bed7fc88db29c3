import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AptSource, debianArchives, parseDeb822Sources, parseOneLineSources } from './apt-sources.ts';
import { CommandError, runCommand } from '../../../src/programs/command.ts';
import { type Say, withProgress } from './progress.ts';

/** The packages to take from Debian. */
export interface DebianPackages {
  /** A release's code name, such as `trixie`. */
  readonly release: string;
  readonly packages: readonly string[];
  /** A description for people, with the size, such as `Postgres 17, about 97 MB`. */
  readonly description: string;
}

const debianKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * Debian's main archives among the host's apt sources, likeliest first. Empty on a host without one, such as Ubuntu.
 * Throws CommandError when the host does not have apt.
 */
export async function hostArchives(env: NodeJS.ProcessEnv): Promise<AptSource[]> {
  const list = await aptPath(env, 'Dir::Etc::sourcelist/f');
  const parts = await aptPath(env, 'Dir::Etc::sourceparts/d');
  const names = (await readdir(parts).catch(() => [])).sort();
  const sources = parseOneLineSources(await readIfThere(list));
  for (const name of names) {
    const path = join(parts, name);
    if (name.endsWith('.list')) sources.push(...parseOneLineSources(await readIfThere(path)));
    if (name.endsWith('.sources')) sources.push(...parseDeb822Sources(await readIfThere(path)));
  }
  return debianArchives(sources);
}

/**
 * Downloads packages and their dependencies from the first archive that serves them, into `folder` (created if
 * missing). Resolves to the paths of the .deb files. apt verifies signatures against the host's Debian keys, and writes
 * only into `folder`. Of the host's own apt it reads the sources, the proxy and the credentials, and changes nothing.
 * Throws with the obstacle, in words that a person can act on.
 */
export async function downloadPackages(
  wanted: DebianPackages,
  folder: string,
  archives: readonly AptSource[],
  env: NodeJS.ProcessEnv,
  say: Say,
): Promise<string[]> {
  if (archives.length === 0)
    throw new Error(`the host's apt sources name no Debian archive to take ${wanted.release} from`);
  const failures: string[] = [];
  for (const [index, archive] of archives.entries()) {
    try {
      return await downloadFrom(wanted, archive, join(folder, String(index)), env, say);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      failures.push(`${withoutPassword(archive.uri)}: ${explain(error, wanted)}`);
    }
  }
  throw new Error(failures.join('; '));
}

async function downloadFrom(
  { release, packages, description }: DebianPackages,
  archive: AptSource,
  folder: string,
  env: NodeJS.ProcessEnv,
  say: Say,
): Promise<string[]> {
  const architecture = (await runCommand('dpkg', ['--print-architecture'], { env })).trim();
  const config = await writePrivateConfig(folder, { ...archive, suite: release }, architecture);
  // The code below reads apt's messages, so they must be in this language.
  const apt = (args: string[], timeoutMs: number) =>
    runCommand('apt-get', ['-c', config, '-q', '-y', ...args], { env: { ...env, LC_ALL: 'C' }, timeoutMs });
  await withProgress(say, `reading the package list of Debian ${release}`, () => apt(['update'], 180_000));
  await withProgress(say, `downloading ${description} from Debian`, () =>
    apt(['--download-only', 'install', ...packages], 900_000),
  );
  const archivesFolder = join(folder, 'archives');
  const files = await readdir(archivesFolder);
  return files.filter((name) => name.endsWith('.deb')).map((name) => join(archivesFolder, name));
}

async function writePrivateConfig(folder: string, archive: AptSource, architecture: string): Promise<string> {
  for (const name of ['lists/partial', 'archives/partial', 'no-preferences']) {
    await mkdir(join(folder, name), { recursive: true });
  }
  const hasDebianKeyring = await access(debianKeyring).then(
    () => true,
    () => false,
  );
  const keyring = hasDebianKeyring ? debianKeyring : archive.keyring;
  const options = [
    `arch=${architecture}`,
    'target=Packages',
    'lang=none',
    ...(keyring ? [`signed-by=${keyring}`] : []),
  ];
  // The address of an archive may contain a password.
  const line = `deb [${options.join(' ')}] ${archive.uri} ${archive.suite} main\n`;
  await writeFile(join(folder, 'sources.list'), line, { mode: 0o600 });
  // By this file no package is installed, so apt resolves every dependency to a download.
  await writeFile(join(folder, 'status'), '');
  const path = join(folder, 'apt.conf');
  // apt reads this file, passed with -c, after the host's own configuration: the proxy stays, and settings that touch
  // the host go. Hooks matter most: Debian's container images empty the host's package cache after every update.
  await writeFile(
    path,
    `
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
#clear APT::Default-Release;
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Dir::Etc::sourcelist "${folder}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "${folder}/no-preferences";
Dir::State "${folder}";
Dir::State::lists "${folder}/lists";
Dir::State::status "${folder}/status";
Dir::Cache "${folder}";
Dir::Cache::archives "${folder}/archives";
Dir::Log "${folder}";
`,
  );
  return path;
}

function explain(error: CommandError, { release }: DebianPackages): string {
  if (error.notFound) return error.message;
  const output = `${error.stdout}${error.stderr}`;
  const missingKey = /NO_PUBKEY (\w+)/.exec(output)?.[1];
  if (missingKey) {
    return `${release} is signed with the key ${missingKey}, which the host's Debian keys lack; install a newer debian-archive-keyring`;
  }
  const complaints = output.split('\n').filter((line) => /^(E|Err|W):/.test(line));
  return complaints.length > 0 ? complaints.slice(0, 3).join(' ') : error.message;
}

function readIfThere(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

async function aptPath(env: NodeJS.ProcessEnv, setting: string): Promise<string> {
  const assignment = await runCommand('apt-config', ['shell', 'path', setting], { env });
  return /^path='(.*)'$/m.exec(assignment)?.[1] ?? '';
}

function withoutPassword(uri: string): string {
  return uri.replace(/\/\/[^@/]*@/, '//');
}
