import { accessEntries } from './access-entries.ts';
import { alignTable } from './access-matrix.ts';

/** The expected rows of each actor: the result of `accessMatrix` when every entry is right. */
export const expectedAccess: string = alignTable(
  [
    'table  actor  select  insert  update  delete  truncate',
    ...accessEntries.flatMap(({ name, reaches }) => linesOf(name, reaches)),
    ...accessEntries.flatMap(({ name, reachesOfPartition }) =>
      linesOf(`${name} (a partition)`, reachesOfPartition ?? ''),
    ),
  ].join('\n'),
);

function linesOf(name: string, reaches: string): string[] {
  return (
    reaches
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      // A service's own login reaches what its token reaches.
      .flatMap((line) =>
        line.startsWith('service ') ? [line, line.replace('service', 'service login')] : [line],
      )
      .map((line) => `${name}  ${line}`)
  );
}
