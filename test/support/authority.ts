import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../src/programs/command.ts';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';

/** Paths of a certificate and its key. */
export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** An authority of certificates, made on the spot. */
export interface Authority extends Pair {
  /** Makes a certificate for these names, which are addresses or hosts. `days` below zero: it is over already. */
  issue(name: string, hosts: readonly string[], days?: number): Promise<Pair>;
}

/** A directory of certificates that the test server's user can enter. */
export interface Certificates {
  readonly directory: string;
  authority(name: string): Promise<Authority>;
  /** Gives the files to the test server's user, as Postgres demands of its key. */
  forServer(pair: Pair): Promise<Pair>;
  remove(): Promise<void>;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const;

/** Takes the program openssl (`lacks('openssl')`): Node makes keys but no certificates. */
export async function makeCertificates(): Promise<Certificates> {
  const user = await serverUser();
  const directory = await mkdtemp(
    join(await temporaryDirectory(user, false), 'agent-lightning-certificates-'),
  );
  const give = async (path: string): Promise<void> => {
    if (user) await chown(path, user.uid, user.gid);
  };
  await give(directory);
  const file = (name: string): string => join(directory, name);
  return {
    directory,
    authority: async (authorityName) => {
      const own = { certificate: file(`${authorityName}.pem`), key: file(`${authorityName}.key`) };
      await openssl(
        'req',
        '-x509',
        ...newKey,
        '-subj',
        `/CN=${authorityName}`,
        '-days',
        '2',
        '-keyout',
        own.key,
        '-out',
        own.certificate,
      );
      return {
        ...own,
        issue: async (name, hosts, days = 1) => {
          const made = { certificate: file(`${name}.pem`), key: file(`${name}.key`) };
          const [request, extensions] = [file(`${name}.csr`), file(`${name}.ext`)];
          const names = hosts.map((host) => `${/^[\d.]+$|:/.test(host) ? 'IP' : 'DNS'}:${host}`);
          const lines = [
            'basicConstraints=critical,CA:FALSE',
            ...(names.length ? [`subjectAltName=${names.join()}`] : []),
          ];
          await writeFile(extensions, `${lines.join('\n')}\n`);
          await openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', made.key, '-out', request);
          const signer = [
            '-CA',
            own.certificate,
            '-CAkey',
            own.key,
            '-CAcreateserial',
            '-days',
            String(days),
          ];
          await openssl(
            'x509',
            '-req',
            '-in',
            request,
            ...signer,
            '-extfile',
            extensions,
            '-out',
            made.certificate,
          );
          return made;
        },
      };
    },
    forServer: async (pair) => {
      await Promise.all([give(pair.certificate), give(pair.key)]);
      return pair;
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

async function openssl(...args: readonly string[]): Promise<void> {
  await runCommand('openssl', [...args]);
}
