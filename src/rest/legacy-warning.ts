import type { ReadPlan } from './plan/plan.ts';

/**
 * The warning for requests that name an aliased embed by its relation (PostgREST, Configuration,
 * url-use-legacy-target-names); null: the request does not.
 */
export function legacyWarning(readPlan: ReadPlan): string | null {
  const named = legacyNames(readPlan);
  if (named.length === 0) return null;
  return (
    '299 lightning "Embedded resource was referenced by relation name even though it has an alias. This is deprecated ' +
    `and will stop working in a future release. Update ${named.join(', ')} in query string filters, orders or limits."`
  );
}

function legacyNames({ name, alias, legacyTargetName, embeds }: ReadPlan): string[] {
  const own = legacyTargetName && alias !== null ? [`\`${name}\` to \`${alias}\``] : [];
  return [...own, ...embeds.flatMap(legacyNames)];
}
