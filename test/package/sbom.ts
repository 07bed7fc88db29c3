import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/programs/command.ts';

// Prints the bill of materials of an installed package. `npm sbom --omit dev` leaves out what a development dependency
// needs as well (graphql, ws and fifty others, with npm 11), so everything is listed, and taken away here.

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A development dependency whose files the build copies into the package. */
const copied = new Set(['swagger-ui-dist']);

interface BillOfMaterials {
  readonly components: readonly {
    readonly 'bom-ref': string;
    readonly name: string;
    readonly version: string;
  }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
  readonly metadata: { readonly component: { readonly 'bom-ref': string } };
}

const printed = await runCommand('npm', [
  '--prefix',
  root,
  'sbom',
  '--sbom-format=cyclonedx',
  '--package-lock-only',
]);
const all = JSON.parse(printed) as BillOfMaterials;
const lock = JSON.parse(await readFile(`${root}package-lock.json`, 'utf8')) as {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly dev?: boolean }>>;
};
const shipped = new Set(
  Object.entries(lock.packages).flatMap(([path, { version, dev }]) => {
    const name = path.split('node_modules/').at(-1) ?? '';
    return dev && !copied.has(name) ? [] : [`${name} ${version}`];
  }),
);
const components = all.components.filter(({ name, version }) => shipped.has(`${name} ${version}`));
const kept = new Set([all.metadata.component['bom-ref'], ...components.map((each) => each['bom-ref'])]);
const dependencies = all.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => kept.has(each)) }));
process.stdout.write(`${JSON.stringify({ ...all, components, dependencies }, null, 2)}\n`);
