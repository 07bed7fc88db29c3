import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommand } from '../../../src/programs/command.ts';
import { downloadPackages } from './private-apt.ts';

const noApt = await runCommand('apt-get', ['--version']).then(
  () => false,
  () => true,
);

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-lightning-apt-test-'));
  await chmod(folder, 0o755); // apt downloads as its own user, which looks for the archive here
});

afterEach(() => rm(folder, { recursive: true }));

test('the error on a host without a Debian archive says so', async () => {
  await expect(download([])).rejects.toThrow(
    "the host's apt sources name no Debian archive to take trixie from",
  );
});

test('the error on a machine without apt names the missing program', async () => {
  await expect(download(['file:/nowhere'], { PATH: '' })).rejects.toThrow('program dpkg not found');
});

// These refusals are apt's own: a machine without it has nothing to test.
describe.skipIf(noApt)('an archive', () => {
  test('is refused when it is not signed', async () => {
    const archive = await makeArchive('Release', unsignedRelease);
    await expect(download([archive])).rejects.toThrow(/is not signed/);
    expect(await debs()).toEqual([]);
  });

  test('is refused when an unknown key signed it, and the missing key is named', async () => {
    const archive = await makeArchive('InRelease', releaseSignedByStranger);
    await expect(download([archive])).rejects.toThrow(
      /trixie is signed with the key B1A367D49B361F7D, which the host's Debian keys lack; install a newer debian-archive-keyring/,
    );
    expect(await debs()).toEqual([]);
  });

  test('is refused even when it marks itself as trusted', async () => {
    const archive = await makeArchive('Release', unsignedRelease);
    const trusting = { PATH: process.env['PATH'], APT_CONFIG: join(folder, 'host.conf') };
    await writeFile(trusting.APT_CONFIG, 'Acquire::AllowInsecureRepositories "true";\n');
    await expect(download([archive], trusting)).rejects.toThrow(/is not signed/);
  });

  test('is named without its password when it does not answer, and the next one is tried', async () => {
    const next = await makeArchive('Release', unsignedRelease);
    // Nothing listens on port 9 of the loopback interface.
    const failure = await download(['http://me:secret@127.0.0.1:9/debian', next], directly()).catch(String);
    expect(failure).toMatch(/http:\/\/127\.0\.0\.1:9\/debian: .*(connect|refused)/i);
    expect(failure).toContain(`${next}: `);
    expect(failure).not.toContain('secret');
  });

  test("leaves the host's own apt as it was", async () => {
    const places = ['Dir::State::lists/d', 'Dir::Cache::archives/d'];
    const look = async () => {
      const times = [];
      for (const place of places) {
        const path =
          /^path='(.*)'$/m.exec(await runCommand('apt-config', ['shell', 'path', place]))?.[1] ?? '';
        times.push([path, (await stat(path)).mtimeMs]);
      }
      return times;
    };
    const before = await look();
    // This hook leaves a trace if apt's hooks run.
    const hooks = join(folder, 'host.conf');
    await writeFile(hooks, `APT::Update::Pre-Invoke { "touch ${folder}/hook-ran"; };\n`);
    const archive = await makeArchive('Release', unsignedRelease);
    await download([archive], { PATH: process.env['PATH'], APT_CONFIG: hooks }).catch(String);
    expect(await look()).toEqual(before);
    expect(await readdir(folder)).not.toContain('hook-ran');
    // The hook does run where nothing clears it.
    await runCommand('apt-get', [
      '-c',
      hooks,
      '-o',
      `Dir::State=${folder}`,
      '-o',
      'Dir::Etc=/nowhere',
      'update',
    ]).catch(String);
    expect(await readdir(folder)).toContain('hook-ran');
  });
});

function download(uris: string[], env: NodeJS.ProcessEnv = process.env): Promise<string[]> {
  const archives = uris.map((uri) => ({ uri, suite: 'trixie', components: ['main'] }));
  const wanted = { release: 'trixie', packages: ['patchelf'], description: 'a package' };
  return downloadPackages(wanted, join(folder, 'work'), archives, env, () => {});
}

/** The process's environment without its proxies, which would answer for a closed port. */
function directly(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/proxy/i.test(name)));
}

async function makeArchive(name: 'Release' | 'InRelease', text: string): Promise<string> {
  const suite = join(folder, 'archive', 'dists', 'trixie');
  await mkdir(suite, { recursive: true });
  await writeFile(join(suite, name), text);
  return `file:${join(folder, 'archive')}`;
}

async function debs(): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.deb'));
}

const unsignedRelease = `Origin: Stranger
Suite: trixie
Codename: trixie
Date: Mon, 23 Nov 2026 09:00:00 UTC
Architectures: amd64 arm64
Components: main
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-arm64/Packages
`;

/** A signature by a key that was made for this test and thrown away. */
const releaseSignedByStranger = `-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Stranger
Suite: trixie
Codename: trixie
Date: Mon, 23 Nov 2026 09:00:00 UTC
Architectures: amd64 arm64
Components: main
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-arm64/Packages
-----BEGIN PGP SIGNATURE-----

iHUEARYIAB0WIQT3U/uN6Iu7qvPOVM2xo2fUmzYffQUCawQjhQAKCRCxo2fUmzYf
fU5eAQDwDt4i34Tf8hy+pBEciU3wKwmuW9rFpEi+eAlXSXedzgEA1igj+bB8424Z
2s4V78WcIInvGfqAUtfZVioqZwKDEws=
=3btH
-----END PGP SIGNATURE-----
`;
